/** What the inference worker does, on src/inference: read, open, run, and count over many samples. */
import { transfer } from 'comlink';
import { FileFormatError } from '../../../src/errors.ts';
import { openModel } from '../../../src/inference/load.ts';
import { LoadedSae } from '../../../src/inference/loaded-sae.ts';
import { LoadedToyModel } from '../../../src/inference/loaded-toy-model.ts';
import { saeRequest, toyModelRequest } from '../../../src/inference/requests.ts';
import { describeInitializers } from '../../../src/onnx/inspect.ts';
import { type ModelMetadata, parseMetadata } from '../../../src/onnx/metadata.ts';
import { metadataProperties, type OnnxModel, readModel } from '../../../src/onnx/read.ts';
import { readInitializer } from '../../../src/onnx/tensor-values.ts';
import { loadWebRuntime } from '../../../src/sessions/browser.ts';
import type { Provider } from '../../../src/sessions/runtime.ts';
import type { HostTensor } from '../../../src/tensor.ts';
import type { Compute, ModelKind } from '../data/model.ts';
import type { ComputeReport, InferenceApi, OpenedModel } from './inference-api.ts';

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

/** Models with fewer weights run on WASM under `auto`: a GPU's latency is longer than their whole run. */
const SMALL = 1_000_000;
/** The widest autoencoder whose directions are found by decoding each latent alone. */
const MOST_DECODED = 2048;
/** Instances of a parallel toy model that are listed. */
const MOST_INSTANCES = 64;
/** Samples that are encoded at once while counting. */
const CHUNK = 512;

const runtime = () => loadWebRuntime({ threads: 1 });

function parameterCount(model: OnnxModel): number {
  return describeInitializers(model).reduce(
    (sum, { shape }) => sum + (shape ?? []).reduce<number>((a, b) => a * Number(b), 1),
    0,
  );
}

/** What `auto` should try for this model, and why not the GPU. */
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

/** What the file holds; what it does not say is inferred as an autoencoder first. */
async function load(model: OnnxModel, metadata: ModelMetadata, provider: Provider | 'auto'): Promise<Open> {
  const asSae = async (): Promise<OpenSae> => {
    const loaded = new LoadedSae(await openModel(model, saeRequest({ provider }), runtime));
    return { kind: 'sparse-autoencoder', model, loaded };
  };
  const asToy = async (): Promise<OpenToy> => {
    const loaded = new LoadedToyModel(await openModel(model, toyModelRequest({ provider }), runtime));
    return { kind: 'toy-model', model, loaded };
  };
  if (metadata.kind !== undefined) return metadata.kind === 'sparse-autoencoder' ? asSae() : asToy();
  try {
    return await asSae();
  } catch (error) {
    // Where neither reading is certain, what was missing for an autoencoder is the better answer.
    return asToy().catch(() => {
      throw error;
    });
  }
}

async function loadOn(model: OnnxModel, metadata: ModelMetadata, compute: Compute): Promise<[Open, ComputeReport]> {
  const { provider, refused } = await choose(compute, model);
  try {
    const open = await load(model, metadata, provider);
    const attempts = open.loaded.attempts.map(attempt => `${attempt.provider}: ${attempt.reason}`);
    return [open, { provider: open.loaded.provider, refused: [...refused, ...attempts] }];
  } catch (error) {
    if (compute !== 'webgpu' || error instanceof FileFormatError) throw error;
    const open = await load(model, metadata, 'wasm');
    return [open, { provider: open.loaded.provider, refused: [(error as Error).message.split('\n', 1)[0]!] }];
  }
}

const hex = (bytes: ArrayBuffer): string =>
  Array.from(new Uint8Array(bytes), byte => byte.toString(16).padStart(2, '0')).join('');

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
const number = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

const ARCHITECTURES: Readonly<Record<string, string>> = {
  topk: 'TopK',
  batchtopk: 'BatchTopK',
  relu: 'ReLU',
  standard: 'ReLU',
  jumprelu: 'JumpReLU',
  gated: 'Gated',
  matryoshka: 'Matryoshka',
};

/** The directions of the file, or, where it does not name them, what each latent alone decodes to. */
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

async function biasOf(sae: LoadedSae): Promise<HostTensor> {
  try {
    const zeros = new Float32Array(sae.dIn);
    const inputs = await sae.decoderInputs(zeros, { shape: [1, sae.dIn] });
    return await sae.decode(new Float32Array(sae.dSae), { shape: [1, sae.dSae], inputs });
  } catch {
    return { shape: [1, sae.dOut], data: new Float32Array(sae.dOut) };
  }
}

interface Entry {
  readonly open: Open;
  /** Of a parallel toy model. */
  readonly instance: number | undefined;
}

/** What the worker offers; `giveWasm` hands ONNX Runtime its wasm. */
export function createInference(giveWasm: (wasm: ArrayBuffer) => void): InferenceApi {
  const entries = new Map<string, Entry>();
  const files = new Map<string, Uint8Array>();

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

  /** Hidden activations and reconstruction of one toy model, also where the file holds several in parallel. */
  async function runToy(id: string, features: HostTensor): Promise<{ hidden: HostTensor; reconstruction: HostTensor }> {
    const { open, instance } = entry(id);
    if (open.kind !== 'toy-model') throw new Error('expected a toy model');
    const { loaded } = open;
    if (instance === undefined) return loaded.forward(features);
    const [count, width] = features.shape as [number, number];
    const spread = new Float32Array(count * loaded.nInstances! * width);
    for (let i = 0; i < count; i++) {
      spread.set(features.data.subarray(i * width, (i + 1) * width), (i * loaded.nInstances! + instance) * width);
    }
    const all = await loaded.forward(spread, { shape: [count, loaded.nInstances!, width] });
    const pick = ({ data, shape }: HostTensor): HostTensor => {
      const size = shape[2]!;
      const picked = new Float32Array(count * size);
      for (let i = 0; i < count; i++) {
        const from = (i * loaded.nInstances! + instance) * size;
        picked.set(data.subarray(from, from + size), i * size);
      }
      return { data: picked, shape: [count, size] };
    };
    return { hidden: pick(all.hidden), reconstruction: pick(all.reconstruction) };
  }

  /** Calls `visit` for each latent that fires on each sample, a few samples at a time. */
  async function eachFiring(
    sae: LoadedSae,
    { data, shape }: HostTensor,
    visit: (sample: number, latent: number, value: number) => void,
  ): Promise<void> {
    const [count, width] = shape as [number, number];
    // A wide plane of samples of a narrow model runs at once.
    const chunk = Math.max(CHUNK, Math.floor((1 << 21) / sae.dSae));
    for (let start = 0; start < count; start += chunk) {
      const end = Math.min(count, start + chunk);
      const part = data.subarray(start * width, end * width);
      const fired = await sae.encodeSparse(part, { shape: [end - start, width] });
      for (let row = 0; row < end - start; row++) {
        for (let at = fired.offsets[row]!; at < fired.offsets[row + 1]!; at++) {
          visit(start + row, fired.indices[at]!, fired.values[at]!);
        }
      }
    }
  }

  /** What the page is told of a model that was opened; one entry for each instance of a parallel one. */
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
      compute: report,
    };
    if (open.kind === 'sparse-autoencoder') {
      const bias = await biasOf(open.loaded);
      const directions = await directionsOf(open.loaded, bias);
      const { dIn, dSae } = open.loaded;
      return [
        { ...shared, id: sha256, instance: undefined, directions, bias: bias.data, inputSize: dIn, codeSize: dSae },
      ];
    }
    const directions = await open.loaded.featureDirections();
    const { nFeatures, nHidden, nInstances } = open.loaded;
    const names = new Set(describeInitializers(open.model).map(({ name }) => name));
    const bias = names.has('bias')
      ? readInitializer(open.model, 'bias').data
      : new Float32Array(nFeatures * (nInstances ?? 1));
    const sizes = { inputSize: nFeatures, codeSize: nHidden };
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
    start: giveWasm,

    async open(bytes, name, compute) {
      const model = readModel(bytes, { file: name });
      const metadata = parseMetadata(metadataProperties(model), name);
      const [open, report] = await loadOn(model, metadata, compute);
      const sha256 = hex(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
      const opened = await describe(open, sha256, report, metadata);
      for (const { id, instance } of opened) entries.set(id, { open, instance });
      files.set(sha256, bytes);
      return opened;
    },

    async move(id, compute) {
      const { open, instance } = entry(id);
      const metadata = parseMetadata(metadataProperties(open.model));
      const [moved, report] = await loadOn(open.model, metadata, compute);
      entries.set(id, { open: moved, instance });
      if (instance === undefined) await open.loaded.dispose();
      return report;
    },

    async probe({ toy, sae, input, pins }) {
      const start = performance.now();
      const row = (data: Float32Array): HostTensor => ({ data, shape: [1, data.length] });
      const fromToy = input.type === 'features' && toy ? await runToy(toy, row(input.values)) : undefined;
      const hidden = input.type === 'activations' ? input.values : fromToy?.hidden.data;
      const loaded = sae === undefined ? undefined : saeOf(sae);
      const run = loaded && hidden ? await loaded.forward(row(hidden)) : undefined;
      let pinned: Float32Array | undefined;
      if (loaded && hidden && run && pins.length > 0) {
        const changed = run.features.data.slice();
        for (const { latent, value } of pins) changed[latent] = value;
        const inputs = await loaded.decoderInputs(row(hidden));
        pinned = (await loaded.decode(row(changed), { inputs })).data;
      }
      return {
        input,
        hidden,
        toyReconstruction: fromToy?.reconstruction.data,
        latents: run?.features.data,
        reconstruction: run?.reconstruction.data,
        pinnedReconstruction: pinned,
        milliseconds: performance.now() - start,
      };
    },

    async hidden(toy, features) {
      const { hidden } = await runToy(toy, features);
      return transfer(hidden, [hidden.data.buffer]);
    },

    async winners(sae, activations) {
      const strongest = new Float32Array(activations.shape[0]!);
      const winners = new Int32Array(activations.shape[0]!).fill(-1);
      await eachFiring(saeOf(sae), activations, (sample, latent, value) => {
        if (value <= strongest[sample]!) return;
        strongest[sample] = value;
        winners[sample] = latent;
      });
      return transfer(winners, [winners.buffer]);
    },

    async statistics(sae, activations) {
      const loaded = saeOf(sae);
      const samples = activations.shape[0]!;
      const density = new Float32Array(loaded.dSae);
      const mean = new Float32Array(loaded.dSae);
      const max = new Float32Array(loaded.dSae);
      await eachFiring(loaded, activations, (_, latent, value) => {
        density[latent]! += 1;
        mean[latent]! += value;
        if (value > max[latent]!) max[latent] = value;
      });
      for (let latent = 0; latent < loaded.dSae; latent++) {
        if (density[latent]! > 0) mean[latent]! /= density[latent]!;
        density[latent]! /= samples;
      }
      return { samples, density, mean, max };
    },

    async latentActivations(sae, activations, wanted) {
      const values = new Float32Array(activations.shape[0]!);
      await eachFiring(saeOf(sae), activations, (sample, latent, value) => {
        if (latent === wanted) values[sample] = value;
      });
      return transfer(values, [values.buffer]);
    },

    bytes(id) {
      const bytes = files.get(id.split('#', 1)[0]!);
      if (!bytes) throw new Error('the model is no longer open');
      return bytes;
    },
  };
}
