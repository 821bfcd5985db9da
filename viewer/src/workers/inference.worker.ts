/** The inference worker: opens model files and runs them, so that the page never waits for either. */
import { expose, transfer } from 'comlink';
import * as ort from 'onnxruntime-web/webgpu';
import { FileFormatError } from '../../../src/errors.ts';
import type { HostTensor } from '../../../src/tensor.ts';
import type { ComputeReport, InferenceApi, OpenedModel } from './inference-api.ts';
import { loadSession } from './model-session.ts';

type Entry = {
  bytes: Uint8Array;
  kind: 'toy-model' | 'sparse-autoencoder';
  s: Awaited<ReturnType<typeof loadSession>>;
  dec?: HostTensor;
  b: Float32Array;
};
const open = new Map<string, Entry>();

const get = (id: string) => {
  const e = open.get(id);
  if (!e) throw new Error(`no model ${id} is open`);
  return e;
};
async function run(e: Entry, x: HostTensor) {
  const name = e.s.session.inputNames[0]!;
  return e.s.session.run({ [name]: new ort.Tensor('float32', x.data, x.shape as number[]) });
}
const one = (v: Float32Array): HostTensor => ({ data: v, shape: [1, v.length] });

const api: InferenceApi = {
  start(wasm) {
    ort.env.wasm.wasmBinary = wasm;
    ort.env.wasm.numThreads = 1;
  },
  async open(bytes, name) {
    const s = await loadSession(bytes, ['wasm']);
    const kind = s.metadata.kind;
    if (kind !== 'toy-model' && kind !== 'sparse-autoencoder') throw new FileFormatError('kind', { file: name });
    const sha256 = [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>))]
      .map(b => b.toString(16).padStart(2, '0'))
      .join('');
    const directions = s.initializer(kind === 'toy-model' ? 'weight' : 'W_dec');
    const bias = s.initializer(kind === 'toy-model' ? 'bias' : 'b_dec').data;
    open.set(sha256, { bytes, kind, s, dec: directions, b: bias });
    const config = s.metadata.config ?? {};
    const compute: ComputeReport = { provider: 'wasm', refused: [] };
    return {
      sha256,
      kind,
      directions,
      bias,
      compute,
      inputSize: kind === 'toy-model' ? directions.shape[0]! : directions.shape[1]!,
      codeSize: kind === 'toy-model' ? directions.shape[1]! : directions.shape[0]!,
      architecture: String(config['architecture'] ?? ''),
      k: config['k'] as number | undefined,
      trainedOn: s.metadata.trainedOn,
      sparsity: 0.9,
    } satisfies OpenedModel;
  },
  async move() {
    return { provider: 'wasm', refused: [] };
  },
  async probe({ toy, sae, input, pins }) {
    const t0 = performance.now();
    let hidden: Float32Array | undefined,
      toyReconstruction: Float32Array | undefined,
      latents: Float32Array | undefined,
      reconstruction: Float32Array | undefined,
      pinned: Float32Array | undefined;
    if (input.type === 'activations') hidden = input.values;
    else if (toy) {
      const r = await run(get(toy), one(input.values));
      hidden = r['hidden']!.data as Float32Array;
      toyReconstruction = r['reconstruction']!.data as Float32Array;
    }
    if (sae && hidden) {
      const e = get(sae);
      const r = await run(e, one(hidden));
      latents = r['features']!.data as Float32Array;
      reconstruction = r['reconstruction']!.data as Float32Array;
      if (pins.length) {
        const f = latents.slice();
        for (const p of pins) f[p.latent] = p.value;
        pinned = Float32Array.from(e.b);
        f.forEach((v, j) => {
          for (let i = 0; i < pinned!.length; i++) pinned![i]! += v * e.dec!.data[j * pinned!.length + i]!;
        });
      }
    }
    return {
      input,
      hidden,
      toyReconstruction,
      latents,
      reconstruction,
      pinnedReconstruction: pinned,
      milliseconds: performance.now() - t0,
    };
  },
  async hidden(toy, features) {
    const r = await run(get(toy), features);
    return { data: r['hidden']!.data as Float32Array, shape: r['hidden']!.dims };
  },
  async winners(sae, activations) {
    const r = await run(get(sae), activations);
    const f = r['features']!.data as Float32Array;
    const d = r['features']!.dims[1]!;
    const w = new Int32Array(activations.shape[0]!);
    for (let i = 0; i < w.length; i++) {
      let b = -1,
        m = 0;
      for (let j = 0; j < d; j++)
        if (f[i * d + j]! > m) {
          m = f[i * d + j]!;
          b = j;
        }
      w[i] = b;
    }
    return transfer(w, [w.buffer]);
  },
  async statistics(sae, activations) {
    const r = await run(get(sae), activations);
    const f = r['features']!.data as Float32Array;
    const d = r['features']!.dims[1]!;
    const n = activations.shape[0]!;
    const density = new Float32Array(d),
      mean = new Float32Array(d),
      max = new Float32Array(d);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < d; j++) {
        const v = f[i * d + j]!;
        if (v > 0) {
          density[j]! += 1;
          mean[j]! += v;
          max[j] = Math.max(max[j]!, v);
        }
      }
    for (let j = 0; j < d; j++) {
      mean[j] = density[j] ? mean[j]! / density[j]! : 0;
      density[j]! /= n;
    }
    return { samples: n, density, mean, max };
  },
  async latentActivations(sae, activations, latent) {
    const r = await run(get(sae), activations);
    const f = r['features']!.data as Float32Array;
    const d = r['features']!.dims[1]!;
    return Float32Array.from({ length: activations.shape[0]! }, (_, i) => f[i * d + latent]!);
  },
  bytes: id => get(id).bytes,
  async close(id) {
    await get(id).s.session.release();
    open.delete(id);
  },
};
expose(api);
