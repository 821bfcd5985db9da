/** The inference worker, built on src/inference: it reads, opens and runs models, and tells which latents fire. */

import { FileFormatError } from '../../../src/errors.ts';
import { openModel } from '../../../src/inference/load.ts';
import { LoadedSae } from '../../../src/inference/loaded-sae.ts';
import { LoadedToyModel } from '../../../src/inference/loaded-toy-model.ts';
import type { SaeNames } from '../../../src/inference/model-options.ts';
import { saeRequest, toyModelRequest } from '../../../src/inference/requests.ts';
import { describeTensors } from '../../../src/inference/signature.ts';
import { externalRange, hasExternalData, inlineExternalData, isExternal } from '../../../src/onnx/external-data.ts';
import { describeInitializers, describeInputs, type TensorDescription } from '../../../src/onnx/inspect.ts';
import { type ModelMetadata, parseMetadata } from '../../../src/onnx/metadata.ts';
import { metadataProperties, type OnnxModel, readModel } from '../../../src/onnx/read.ts';
import { readInitializer } from '../../../src/onnx/tensor-values.ts';
import type { Provider, Runtime } from '../../../src/sessions/runtime.ts';
import type { HostTensor } from '../../../src/tensor.ts';
import { transfer } from '../../../src/workers/protocol.ts';
import { ARCHITECTURES, factsOf } from '../data/facts.ts';
import type { FiringBlock } from '../data/firings.ts';
import type { Compute, LatentGeometry, ModelKind } from '../data/model.ts';
import { readBlock } from '../data/rows.ts';
import { inSharedMemory, ownBuffer } from '../data/shared-memory.ts';
import { readWasm } from '../data/shipped.ts';
import { turn } from '../data/turn.ts';
import type { ComputeReport, InferenceApi, LinearDecoder, OpenedModel, SourceFiles } from './inference-api.ts';
import { createLiveText } from './live-text.ts';
import { createNearest } from './nearest.ts';

interface OpenToy {
  readonly kind: 'toy-model';
  readonly model: OnnxModel;
  readonly loaded: LoadedToyModel;
}

interface OpenSae {
  readonly kind: 'sparse-autoencoder';
  readonly model: OnnxModel;
  readonly loaded: LoadedSae;
}

type Open = OpenToy | OpenSae;

/**
 * The number of weights below which `auto` chooses WASM: the latency of a GPU is longer than the whole run of such a
 * model.
 */
const SMALL = 1_000_000;
/** The widest autoencoder whose directions are found by decoding each latent alone. */
const MOST_DECODED = 2048;
/** Instances of a parallel toy model that are listed. */
const MOST_INSTANCES = 64;
/** How many points of the plane are run at once. */
const CHUNK = 512;
/** Rows on which it is checked that the decoder is a sum of directions. */
const CHECKED_ROWS = 8;

function parameterCount(model: OnnxModel): number {
  return describeInitializers(model).reduce(
    (sum, { shape }) => sum + (shape ?? []).reduce<number>((a, b) => a * Number(b), 1),
    0,
  );
}

/** The provider to try for this model, and why `auto` passes over the GPU where it does. */
async function choose(compute: Compute, model: OnnxModel): Promise<{ provider: Provider | 'auto'; refused: string[] }> {
  if (compute !== 'auto') return { provider: compute, refused: [] };
  if (parameterCount(model) < SMALL) return { provider: 'wasm', refused: ['Auto: small models are faster on WASM.'] };
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!adapter) return { provider: 'wasm', refused: ['Auto: this browser offers no WebGPU.'] };
  if (adapter.info?.isFallbackAdapter) {
    return { provider: 'wasm', refused: ['Auto: WebGPU would run in software here.'] };
  }
  return { provider: 'auto', refused: [] };
}

/** Reads the model in a file. Where the file does not say what it is, it is read as an autoencoder first. */
async function load(
  model: OnnxModel,
  metadata: ModelMetadata,
  provider: Provider | 'auto',
  names: SaeNames | undefined,
  runtime: () => Promise<Runtime>,
): Promise<Open> {
  const asSae = async (): Promise<OpenSae> => {
    const loaded = new LoadedSae(await openModel(model, saeRequest({ ...names, provider }), runtime));
    return { kind: 'sparse-autoencoder', model, loaded };
  };
  const asToy = async (): Promise<OpenToy> => {
    const loaded = new LoadedToyModel(await openModel(model, toyModelRequest({ provider }), runtime));
    return { kind: 'toy-model', model, loaded };
  };
  if (names) return asSae();
  if (metadata.kind !== undefined) return metadata.kind === 'sparse-autoencoder' ? asSae() : asToy();
  try {
    return await asSae();
  } catch (error) {
    // Where both readings fail, what was missing for an autoencoder is the more useful message.
    return asToy().catch(() => {
      throw error;
    });
  }
}

async function loadOn(
  model: OnnxModel,
  metadata: ModelMetadata,
  compute: Compute,
  names: SaeNames | undefined,
  runtime: () => Promise<Runtime>,
): Promise<[Open, ComputeReport]> {
  const { provider, refused } = await choose(compute, model);
  try {
    const open = await load(model, metadata, provider, names, runtime);
    const attempts = open.loaded.attempts.map(attempt => `${attempt.provider}: ${attempt.reason}`);
    return [open, { provider: open.loaded.provider, refused: [...refused, ...attempts] }];
  } catch (error) {
    if (compute !== 'webgpu' || error instanceof FileFormatError) throw error;
    const open = await load(model, metadata, 'wasm', names, runtime);
    return [open, { provider: open.loaded.provider, refused: [(error as Error).message.split('\n', 1)[0]!] }];
  }
}

const hex = (bytes: ArrayBuffer): string =>
  Array.from(new Uint8Array(bytes), byte => byte.toString(16).padStart(2, '0')).join('');

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
const number = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

/** A model of these bytes with the data that lies in the files `beside` it. */
async function readWhole(bytes: Uint8Array, name: string, beside: Readonly<Record<string, Blob>>): Promise<OnnxModel> {
  const model = readModel(bytes, { file: name });
  if (!hasExternalData(model)) return model;
  return inlineExternalData(model, async (location, offset, length) => {
    const other = beside[location] ?? beside[location.split('/').at(-1)!];
    if (!other) throw new FileFormatError(`its data is in '${location}': open both together`, { file: name });
    return new Uint8Array(await other.slice(offset, offset + length).arrayBuffer());
  });
}

/**
 * The decoder's directions [d_sae, d_out]: those that the file names, or else the reconstruction of each latent alone
 * less the bias.
 */
async function directionsOf(sae: LoadedSae, bias: HostTensor): Promise<HostTensor> {
  try {
    return await sae.featureDirections();
  } catch (error) {
    if (sae.dSae > MOST_DECODED) throw error;
    const identity = new Float32Array(sae.dSae ** 2);
    for (let i = 0; i < sae.dSae; i++) identity[i * (sae.dSae + 1)] = 1;
    const decoded = await sae.decode(identity, { shape: [sae.dSae, sae.dSae] });
    return { shape: decoded.shape, data: decoded.data.map((value, i) => value - bias.data[i % sae.dOut]!) };
  }
}

/** What the decoder gives where no latent fires, [1, d_out]; zeros where the decoder needs more inputs than can be made up. */
async function biasOf(sae: LoadedSae): Promise<HostTensor> {
  try {
    const zeros = new Float32Array(sae.dIn);
    const inputs = await sae.decoderInputs(zeros, { shape: [1, sae.dIn] });
    return await sae.decode(new Float32Array(sae.dSae), { shape: [1, sae.dSae], inputs });
  } catch {
    return { shape: [1, sae.dOut], data: new Float32Array(sae.dOut) };
  }
}

async function readDecoder(sae: LoadedSae): Promise<LinearDecoder> {
  const bias = await biasOf(sae);
  return { directions: inSharedMemory(await directionsOf(sae, bias)), bias: bias.data };
}

/** Norms, biases and the angle between each latent's encoder and decoder, as far as the file names them. */
function geometryOf(model: OnnxModel, directions: HostTensor, dIn: number): LatentGeometry {
  const [count, width] = directions.shape as [number, number];
  const { data } = directions;
  const shapes = new Map(describeInitializers(model).map(({ name, shape }) => [name, (shape ?? []).map(Number)]));
  const named = (name: string, shape: readonly number[]): Float32Array | undefined => {
    const found = shapes.get(name);
    if (found?.length !== shape.length || found.some((size, i) => size !== shape[i])) return undefined;
    return readInitializer(model, name).data;
  };
  const decoderNorms = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let squares = 0;
    for (let d = 0; d < width; d++) squares += data[i * width + d]! ** 2;
    decoderNorms[i] = Math.sqrt(squares);
  }
  const encoder = dIn === width ? named('W_enc', [dIn, count]) : undefined;
  let encoderCosines: Float32Array | undefined;
  if (encoder) {
    const dots = new Float64Array(count);
    const squares = new Float64Array(count);
    // The encoder's columns are latents; going by rows reads memory in order.
    for (let d = 0; d < dIn; d++) {
      const at = d * count;
      for (let i = 0; i < count; i++) {
        const value = encoder[at + i]!;
        dots[i]! += value * data[i * width + d]!;
        squares[i]! += value * value;
      }
    }
    encoderCosines = Float32Array.from(dots, (dot, i) => {
      const scale = Math.sqrt(squares[i]!) * decoderNorms[i]!;
      return scale > 0 ? dot / scale : 0;
    });
  }
  return { decoderNorms, encoderCosines, encoderBias: named('b_enc', [count]) };
}

interface Entry {
  readonly open: Open;
  /** The instance of a parallel toy model; undefined for any other model. */
  readonly instance: number | undefined;
}

/** Which latents fired on some rows, and how strongly. */
type Fired = Pick<FiringBlock, 'offsets' | 'indices' | 'values'>;

/**
 * Makes the methods of an inference worker.
 * @param giveWasm - Hands ONNX Runtime its wasm.
 * @param runtime - Gives ONNX Runtime once it has its wasm.
 */
export function createInference(giveWasm: (wasm: ArrayBuffer) => void, runtime: () => Promise<Runtime>): InferenceApi {
  const entries = new Map<string, Entry>();
  const files = new Map<string, SourceFiles>();
  /** The decoder of each autoencoder by its id; undefined where the decoder does more than add directions. */
  const decoders = new Map<string, LinearDecoder | undefined>();
  /** The decoders that were read into memory that workers share, by the id of their autoencoder. */
  const inShared = new Map<string, LinearDecoder>();

  const entry = (id: string): Entry => {
    const found = entries.get(id);
    if (!found) throw new Error('the model is no longer open');
    return found;
  };
  const saeOf = (id: string): LoadedSae => {
    const { open } = entry(id);
    if (open.kind !== 'sparse-autoencoder') throw new Error('expected an autoencoder');
    return open.loaded;
  };

  /** Runs one toy model, which may be one of several in a parallel file. `run` is given all instances. */
  async function throughToy(
    id: string,
    input: HostTensor,
    run: (loaded: LoadedToyModel, data: Float32Array, shape: readonly number[]) => Promise<Record<string, HostTensor>>,
  ): Promise<Record<string, HostTensor>> {
    const { open, instance } = entry(id);
    if (open.kind !== 'toy-model') throw new Error('expected a toy model');
    const { loaded } = open;
    if (instance === undefined) return run(loaded, input.data, input.shape);
    const [count, width] = input.shape as [number, number];
    const instances = loaded.nInstances!;
    const spread = new Float32Array(count * instances * width);
    for (let i = 0; i < count; i++) {
      spread.set(input.data.subarray(i * width, (i + 1) * width), (i * instances + instance) * width);
    }
    const all = await run(loaded, spread, [count, instances, width]);
    const pick = ({ data, shape }: HostTensor): HostTensor => {
      const size = shape[2]!;
      const picked = new Float32Array(count * size);
      for (let i = 0; i < count; i++) {
        const from = (i * instances + instance) * size;
        picked.set(data.subarray(from, from + size), i * size);
      }
      return { data: picked, shape: [count, size] };
    };
    return Object.fromEntries(Object.entries(all).map(([name, tensor]) => [name, pick(tensor)]));
  }
  const runToy = (id: string, features: HostTensor) =>
    throughToy(id, features, async (loaded, data, shape) => ({ ...(await loaded.forward(data, { shape })) }));
  const decodeToy = async (id: string, hidden: HostTensor): Promise<Float32Array> => {
    const { out } = await throughToy(id, hidden, async (loaded, data, shape) => ({
      out: await loaded.decode(data, { shape }),
    }));
    return out!.data;
  };

  /** Reconstructions of sparse features by adding directions. */
  function addDirections({ directions, bias }: LinearDecoder, fired: Fired): Float32Array {
    const width = directions.shape[1]!;
    const count = fired.offsets.length - 1;
    const out = new Float32Array(count * width);
    for (let row = 0; row < count; row++) {
      const into = out.subarray(row * width, (row + 1) * width);
      into.set(bias);
      for (let at = fired.offsets[row]!; at < fired.offsets[row + 1]!; at++) {
        const from = fired.indices[at]! * width;
        const value = fired.values[at]!;
        for (let d = 0; d < width; d++) into[d]! += value * directions.data[from + d]!;
      }
    }
    return out;
  }

  /** Finds out, on the first rows that come, whether the decoder only adds directions. */
  async function decoderFrom(
    id: string,
    loaded: LoadedSae,
    rows: Float32Array,
    fired: Fired,
  ): Promise<LinearDecoder | undefined> {
    if (decoders.has(id)) return decoders.get(id);
    const decoder = inShared.get(id) ?? (await readDecoder(loaded));
    const count = Math.min(CHECKED_ROWS, fired.offsets.length - 1);
    // This runs the decoder alone, whose session is open already: a session of the whole autoencoder would hold every
    // weight once more.
    const features = new Float32Array(count * loaded.dSae);
    for (let row = 0; row < count; row++) {
      for (let at = fired.offsets[row]!; at < fired.offsets[row + 1]!; at++) {
        features[row * loaded.dSae + fired.indices[at]!] = fired.values[at]!;
      }
    }
    const inputs = await loaded.decoderInputs(rows.subarray(0, count * loaded.dIn), { shape: [count, loaded.dIn] });
    const reconstruction = await loaded.decode(features, { shape: [count, loaded.dSae], inputs });
    const added = addDirections(decoder, fired);
    let [error, scale] = [0, 1e-12];
    reconstruction.data.forEach((value, i) => {
      error += (value - added[i]!) ** 2;
      scale += value ** 2;
    });
    decoders.set(id, error / scale < 1e-8 ? decoder : undefined);
    return decoders.get(id);
  }

  /** What the page is told about a model that was opened, with one entry for each instance of a parallel one. */
  async function describe(
    open: Open,
    sha256: string,
    report: ComputeReport,
    metadata: ModelMetadata,
  ): Promise<OpenedModel[]> {
    const config = record(metadata.config);
    const training = record(config['training']);
    const data = record(training['data']);
    const architecture = String(config['architecture'] ?? '');
    const shared = {
      sha256,
      kind: open.kind as ModelKind,
      architecture: ARCHITECTURES[architecture] ?? architecture,
      k: number(config['k']),
      trainedOn: metadata.trainedOn,
      sparsity: number(data['sparsity']) ?? number(training['sparsity']) ?? number(config['sparsity']),
      facts: factsOf(metadata),
      compute: report,
    };
    if (open.kind === 'sparse-autoencoder') {
      const { directions, bias } = await readDecoder(open.loaded);
      if (ownBuffer(directions).length === 0) inShared.set(sha256, { directions, bias });
      const { dIn, dSae, dOut } = open.loaded;
      const geometry = geometryOf(open.model, directions, dIn);
      const sizes = { inputSize: dIn, outputSize: dOut, codeSize: dSae };
      return [{ ...shared, ...sizes, id: sha256, instance: undefined, directions, bias, geometry }];
    }
    const directions = await open.loaded.featureDirections();
    const { nFeatures, nHidden, nInstances } = open.loaded;
    const names = new Set(describeInitializers(open.model).map(({ name }) => name));
    const bias = names.has('bias')
      ? readInitializer(open.model, 'bias').data
      : new Float32Array(nFeatures * (nInstances ?? 1));
    const sizes = { inputSize: nFeatures, outputSize: nFeatures, codeSize: nHidden, geometry: undefined };
    if (nInstances === undefined) return [{ ...shared, ...sizes, id: sha256, instance: undefined, directions, bias }];
    return Array.from({ length: Math.min(MOST_INSTANCES, nInstances) }, (_, instance) => ({
      ...shared,
      ...sizes,
      id: `${sha256}#${instance}`,
      instance,
      directions: {
        shape: [nFeatures, nHidden],
        data: directions.data.slice(instance * nFeatures * nHidden, (instance + 1) * nFeatures * nHidden),
      },
      bias: bias.slice(instance * nFeatures, (instance + 1) * nFeatures),
    }));
  }

  return {
    ...createLiveText(runtime),
    ...createNearest(runtime),
    start: async wasm => giveWasm(await readWasm(wasm)),

    async open(file, name, compute, beside = {}, names = undefined) {
      const bytes = new Uint8Array(await file.arrayBuffer());
      const model = await readWhole(bytes, name, beside);
      const metadata = parseMetadata(metadataProperties(model), name);
      const [open, report] = await loadOn(model, metadata, compute, names, runtime);
      const sha256 = hex(await crypto.subtle.digest('SHA-256', bytes));
      const opened = await describe(open, sha256, report, metadata);
      for (const { id, instance } of opened) {
        const before = entries.get(id);
        entries.set(id, { open, instance });
        if (before && before.open !== open && instance === undefined) await before.open.loaded.dispose();
      }
      files.set(sha256, { file, beside, names });
      return transfer(opened, [...new Set(opened.flatMap(({ directions }) => ownBuffer(directions)))]);
    },

    async openForRows(id, { file, beside, names }, name, decoder) {
      const model = await readWhole(new Uint8Array(await file.arrayBuffer()), name, beside);
      const metadata = parseMetadata(metadataProperties(model), name);
      entries.set(id, { open: await load(model, metadata, 'wasm', names, runtime), instance: undefined });
      decoders.set(id, decoder);
    },

    async linearDecoder(id, block) {
      const loaded = saeOf(id);
      if (loaded.dIn !== loaded.dOut) return undefined;
      const rows = await readBlock(block);
      return decoderFrom(
        id,
        loaded,
        rows,
        await loaded.encode(rows, { sparse: true, shape: [block.count, block.width] }),
      );
    },

    async dataFiles(file, name) {
      const { proto } = readModel(new Uint8Array(await file.arrayBuffer()), { file: name });
      const outside = (proto.graph.initializer ?? []).filter(isExternal);
      return [...new Set(outside.map(tensor => externalRange(tensor, name).location))];
    },

    async candidates(file, name) {
      const model = readModel(new Uint8Array(await file.arrayBuffer()), { file: name });
      const inputs = describeInputs(model);
      const given = new Set(inputs.map(input => input.name));
      const shown = ({ name: tensor, shape }: TensorDescription) => ({
        name: tensor,
        shape: shape ? `[${shape.join(', ')}]` : '',
      });
      return {
        inputs: inputs.map(shown),
        computed: [...describeTensors(model).values()].filter(tensor => !given.has(tensor.name)).map(shown),
        matrices: describeInitializers(model)
          .filter(({ shape }) => shape?.length === 2)
          .map(shown),
      };
    },

    async close(id) {
      const closed = entries.get(id);
      entries.delete(id);
      decoders.delete(id);
      inShared.delete(id);
      if (!closed || [...entries.values()].some(({ open }) => open === closed.open)) return;
      files.delete(id.split('#', 1)[0]!);
      await closed.open.loaded.dispose();
    },

    async move(id, compute) {
      const { open, instance } = entry(id);
      const metadata = parseMetadata(metadataProperties(open.model));
      const { names } = files.get(id.split('#', 1)[0]!) ?? {};
      const [moved, report] = await loadOn(open.model, metadata, compute, names, runtime);
      entries.set(id, { open: moved, instance });
      if (![...entries.values()].some(other => other.open === open)) await open.loaded.dispose();
      return report;
    },

    async probe(request) {
      const { toy, sae, input, pins } = request;
      const start = performance.now();
      const row = (data: Float32Array): HostTensor => ({ data, shape: [1, data.length] });
      const fromToy = input.type === 'features' && toy ? await runToy(toy, row(input.values)) : undefined;
      const hidden = input.type === 'activations' ? input.values : fromToy?.['hidden']?.data;
      const loaded = sae === undefined ? undefined : saeOf(sae);
      const run = loaded && hidden ? await loaded.forward(row(hidden)) : undefined;
      let pinned: Float32Array | undefined;
      if (loaded && hidden && run && pins.length > 0) {
        const changed = run.features.data.slice();
        for (const { latent, value } of pins) changed[latent] = value;
        const inputs = await loaded.decoderInputs(row(hidden));
        pinned = (await loaded.decode(row(changed), { inputs })).data;
      }
      const back = (rebuilt: Float32Array | undefined) =>
        fromToy && toy && rebuilt ? decodeToy(toy, row(rebuilt)) : undefined;
      return {
        request,
        hidden,
        toyReconstruction: fromToy?.['reconstruction']?.data,
        latents: run?.features.data,
        reconstruction: run?.reconstruction.data,
        pinnedReconstruction: pinned,
        toyThroughSae: await back(run?.reconstruction.data),
        toyWithPins: await back(pinned),
        milliseconds: performance.now() - start,
      };
    },

    async hidden(toy, features) {
      const { hidden } = await runToy(toy, features);
      return transfer(hidden!);
    },

    async winners(sae, basis, half, grid) {
      const loaded = saeOf(sae);
      const width = loaded.dIn;
      const count = grid * grid;
      const winners = new Int32Array(count).fill(-1);
      const chunk = Math.max(CHUNK, Math.floor((1 << 18) / loaded.dSae));
      const points = new Float32Array(chunk * width);
      for (let start = 0; start < count; start += chunk) {
        const rows = Math.min(count, start + chunk) - start;
        for (let i = 0; i < rows; i++) {
          const [row, column] = [Math.floor((start + i) / grid), (start + i) % grid];
          const x = (((column + 0.5) / grid) * 2 - 1) * half;
          const y = (1 - ((row + 0.5) / grid) * 2) * half;
          for (let d = 0; d < width; d++) {
            points[i * width + d] = basis.origin[d]! + x * basis.axes[0][d]! + y * basis.axes[1][d]!;
          }
        }
        const fired = await loaded.encode(points.subarray(0, rows * width), { sparse: true, shape: [rows, width] });
        for (let row = 0; row < rows; row++) {
          let strongest = 0;
          for (let at = fired.offsets[row]!; at < fired.offsets[row + 1]!; at++) {
            if (fired.values[at]! <= strongest) continue;
            strongest = fired.values[at]!;
            winners[start + row] = fired.indices[at]!;
          }
        }
        await turn();
      }
      return transfer(winners, [winners.buffer]);
    },

    async encode(sae, block) {
      const loaded = saeOf(sae);
      const { first, count, width } = block;
      const rows = await readBlock(block);
      const { offsets, indices, values } = await loaded.encode(rows, { sparse: true, shape: [count, width] });
      const squares = new Float64Array(count);
      const sum = new Float64Array(width);
      for (let row = 0, at = 0; row < count; row++) {
        let square = 0;
        for (let d = 0; d < width; d++, at++) {
          const value = rows[at]!;
          square += value * value;
          sum[d]! += value;
        }
        squares[row] = square;
      }
      const fired: FiringBlock = { first, count, offsets, indices, values, squares, errors: undefined, sum };
      const errors = loaded.dIn === loaded.dOut ? new Float64Array(count) : undefined;
      if (errors) {
        const decoder = await decoderFrom(sae, loaded, rows, fired);
        const rebuilt = decoder
          ? addDirections(decoder, fired)
          : (await loaded.forward(rows, { shape: [count, width] })).reconstruction.data;
        for (let row = 0, at = 0; row < count; row++) {
          for (let d = 0; d < width; d++, at++) errors[row]! += (rows[at]! - rebuilt[at]!) ** 2;
        }
      }
      const buffers = [offsets.buffer, indices.buffer, values.buffer, squares.buffer, sum.buffer] as ArrayBuffer[];
      return transfer({ ...fired, errors }, errors ? [...buffers, errors.buffer] : buffers);
    },

    async sumOf(blocks, width) {
      const sum = new Float64Array(width);
      for (const block of blocks) {
        const rows = await readBlock(block);
        for (let at = 0; at < rows.length; at++) sum[at % width]! += rows[at]!;
      }
      return sum;
    },

    source(id) {
      const found = files.get(id.split('#', 1)[0]!);
      if (!found) throw new Error('the model is no longer open');
      return found;
    },
  };
}
