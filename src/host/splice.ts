/** Splices an autoencoder's file into a model's file, and scores it there. Node only. */
import { readSource } from '../inference/node-source.ts';
import { encodeProto } from '../onnx/cut.ts';
import { type OnnxModel, readModel } from '../onnx/read.ts';
import { checkSplice, type SpliceCheck } from './check-splice.ts';
import { type EvaluateOptions, type Evaluation, evaluateSae } from './evaluate.ts';
import type { HostInputs } from './feeds.ts';
import type { HostModel } from './host-model.ts';
import type { ArrayDataOptions, ArrayInputs, HostData } from './input-batches.ts';
import { mergeSae, type Spliced, type SpliceOptions } from './merge-sae.ts';
import { openHost } from './node.ts';
import { withWeights, writeModelFile } from './write-model.ts';

/** What `splice` replaces in the host, and inputs to try the result on. */
export interface SpliceRequest extends SpliceOptions {
  /** Inputs to try the splice on. Default: inputs made up from the model's shapes. */
  readonly inputs?: HostInputs | undefined;
}

/** A spliced model that was tried. */
export interface SpliceResult extends Omit<Spliced, 'model' | 'layout' | 'targetLayout'> {
  readonly check: SpliceCheck;
  /**
   * The file's bytes.
   * @throws InvalidValueError where the weights are more than one file can hold
   */
  bytes(): Promise<Uint8Array>;
  /**
   * Writes the model to `path`, whole or not at all; weights beyond 2 GiB go to `path`.data.
   * @returns the files written
   * @throws FileWriteError where a file cannot be written
   */
  write(path: string): Promise<string[]>;
}

/** A model's path or bytes, or an open host. */
export type HostSource = string | URL | Uint8Array | HostModel;

/** Runs `work` on the host, which is closed afterwards where it was opened here. */
async function withHost<Result>(model: HostSource, work: (host: HostModel) => Promise<Result>): Promise<Result> {
  if (typeof model === 'object' && 'openVariant' in model) return work(model);
  const host = await openHost(model);
  try {
    return await work(host);
  } finally {
    await host.dispose();
  }
}

const readSae = async (sae: string | URL | Uint8Array): Promise<OnnxModel> =>
  sae instanceof Uint8Array ? readModel(sae) : readSource(sae);

/**
 * Splices an autoencoder into a host: one model that gives the host's own outputs, computed through the autoencoder,
 * and the features.
 * @param model the host: a path, a file: URL, bytes, or a model opened by `openHost`
 * @param sae the autoencoder: a path, an address, or bytes
 * @returns the merged model, which was tried: see `checkSplice`
 * @throws SpliceError where the merged model does not compute what it should
 * @throws InvalidValueError, InvalidShapeError or FileFormatError as `mergeSae`
 */
export async function splice(
  model: HostSource,
  sae: string | URL | Uint8Array,
  { inputs, ...options }: SpliceRequest,
): Promise<SpliceResult> {
  return withHost(model, async host => {
    const autoencoder = await readSae(sae);
    const spliced = await mergeSae(host, autoencoder, options);
    const seam = { target: spliced.target, channelsAxis: spliced.targetLayout.channelsAxis };
    const check = await checkSplice(host, seam, { inputs, merged: { spliced, sae: autoencoder, names: options } });
    const { folder } = host;
    const { model: merged, layout: _, targetLayout: __, ...rest } = spliced;
    return {
      ...rest,
      check,
      bytes: async () => encodeProto((await withWeights(merged, folder)).proto),
      write: path => writeModelFile(path, merged, folder),
    };
  });
}

/** What `evaluate` replaces in the host, and what belongs to its inputs. */
export interface EvaluateRequest extends EvaluateOptions, ArrayDataOptions {}

/**
 * Scores an autoencoder inside its host: cross-entropy, KL divergence and explained variance, beside zero and mean
 * ablation (see evaluate.ts).
 * @param model the host: a path, a file: URL, bytes, or a model opened by `openHost`
 * @param sae the autoencoder: a path, an address, or bytes
 * @param inputs arrays by input name, or any `HostData` such as text
 * @throws InvalidValueError where the logits do not depend on the tensor or cannot be found
 * @throws SpliceError where replacing the tensor does not work
 */
export async function evaluate(
  model: HostSource,
  sae: string | URL | Uint8Array,
  inputs: ArrayInputs | HostData,
  options: EvaluateRequest,
): Promise<Evaluation> {
  return withHost(model, async host => evaluateSae(host, await readSae(sae), host.data(inputs, options), options));
}
