/** Splicing an autoencoder's file into a model's file. Node only. */
import { readSource } from '../inference/node-source.ts';
import { encodeProto } from '../onnx/cut.ts';
import { type OnnxModel, readModel } from '../onnx/read.ts';
import { checkSplice, type SpliceCheck } from './check-splice.ts';
import type { HostInputs } from './feeds.ts';
import type { HostModel } from './host-model.ts';
import { mergeSae, type Spliced, type SpliceOptions } from './merge-sae.ts';
import { openHost } from './node.ts';
import { withWeights, writeModelFile } from './write-model.ts';

export interface SpliceRequest extends SpliceOptions {
  /** What to try the splice on before it is given away. Default inputs made up from the model's shapes. */
  readonly inputs?: HostInputs | undefined;
}

/** A spliced model that was tried. */
export interface SpliceResult extends Omit<Spliced, 'model' | 'layout' | 'targetLayout'> {
  readonly check: SpliceCheck;
  /** The file's bytes. @throws InvalidValueError where the weights are more than one file can hold. */
  bytes(): Promise<Uint8Array>;
  /** Writes it to `path`, whole or not at all; weights beyond 2 GiB to `path`.data. Gives the files written. */
  write(path: string): Promise<string[]>;
}

/** A model's path or bytes, or an open host. */
export type HostSource = string | URL | Uint8Array | HostModel;

const readSae = async (sae: string | URL | Uint8Array): Promise<OnnxModel> =>
  sae instanceof Uint8Array ? readModel(sae) : readSource(sae);

/**
 * One model that gives a host's own outputs, computed through an autoencoder, and the features.
 * @param model The host: a path, a file: URL, bytes, or a model opened by `openHost`.
 * @param sae The autoencoder: a path, an address, or bytes.
 * @returns The merged model, which was tried: see `checkSplice`.
 * @throws SpliceError where the merged model does not do what it should. Other errors as `mergeSae`.
 */
export async function splice(
  model: HostSource,
  sae: string | URL | Uint8Array,
  { inputs, ...options }: SpliceRequest,
): Promise<SpliceResult> {
  const isOpen = typeof model === 'object' && 'openVariant' in model;
  const host = isOpen ? model : await openHost(model);
  try {
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
  } finally {
    if (!isOpen) await host.dispose();
  }
}
