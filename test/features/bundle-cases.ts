/** SAEs and rows from which tests build bundles: seeded, small, written to a folder where Python can read them too. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRandomSource } from '../../src/data/random-source.ts';
import { frozenSaeToOnnx } from '../../src/export/frozen-sae-onnx.ts';
import { writeNpy } from '../../src/files/npy.ts';
import type { FrozenSae } from '../../src/models/frozen-sae.ts';
import type { HostTensor } from '../../src/tensor.ts';

export const PYTHON = process.env['MONOSEMANTIC_PYTHON'] || 'python3';

export interface CaseOptions {
  readonly seed: number;
  readonly rows: number;
  readonly dIn: number;
  readonly dSae: number;
  /** Makes a transcoder of this width, with a skip connection, and targets. */
  readonly dOut?: number;
  readonly architecture?: 'standard' | 'topk' | 'jumprelu';
  readonly k?: number;
  /** Latents whose bias keeps them silent. */
  readonly silent?: readonly number[];
  readonly normalizeActivations?: FrozenSae['normalizeActivations'];
  /** Rows made a hundred times as large. */
  readonly sinks?: readonly number[];
}

export interface BundleCase {
  readonly folder: string;
  /** Path of the SAE. */
  readonly sae: string;
  readonly activations: Float32Array;
  readonly dIn: number;
  /** Rows [rows, dOut] that are near what a transcoder gives; empty for an SAE. */
  readonly target: Float32Array;
  readonly decoder: HostTensor;
}

/** Normally distributed numbers. */
export function normals(seed: number, count: number, scale = 1): Float32Array {
  const random = createRandomSource(seed);
  return Float32Array.from({ length: count }, () => scale * random.normal());
}

/** Writes an SAE with its weights and rows into `folder`. */
export function writeCase(folder: string, options: CaseOptions): BundleCase {
  const { seed, rows, dIn, dSae, architecture = 'topk', k = 4, silent = [], sinks = [] } = options;
  const { normalizeActivations = 'none', dOut = dIn } = options;
  const isTranscoder = options.dOut !== undefined;
  mkdirSync(folder, { recursive: true });
  const decoder = { data: normals(seed, dSae * dOut, dOut ** -0.5), shape: [dSae, dOut] };
  const encoder = { data: new Float32Array(dIn * dSae), shape: [dIn, dSae] };
  const noise = normals(seed + 1, dSae * dIn, 0.05);
  for (let latent = 0; latent < dSae; latent++) {
    for (let i = 0; i < dIn; i++) {
      encoder.data[i * dSae + latent] = (decoder.data[latent * dOut + i] ?? 0) + noise[latent * dIn + i]!;
    }
  }
  const skip = { data: normals(seed + 5, dOut * dIn, 0.3), shape: [dOut, dIn] };
  const bias = normals(seed + 2, dSae, 0.1);
  for (const latent of silent) bias[latent] = -1000;
  const sae: FrozenSae = {
    architecture,
    dIn,
    dSae,
    dOut,
    ...(architecture === 'topk' && { k }),
    applyBDecToInput: !isTranscoder,
    normalizeActivations,
    transcoder: isTranscoder,
    weights: {
      W_enc: encoder,
      b_enc: { data: bias, shape: [dSae] },
      W_dec: decoder,
      b_dec: { data: normals(seed + 3, dOut, 0.1), shape: [dOut] },
      ...(isTranscoder && { W_skip: skip }),
      ...(architecture === 'jumprelu' && { threshold: { data: new Float32Array(dSae).fill(0.5), shape: [dSae] } }),
    },
  };
  const activations = normals(seed + 4, rows * dIn);
  for (const row of sinks) for (let i = 0; i < dIn; i++) activations[row * dIn + i]! *= 100;
  // What the skip connection gives, and noise.
  const target = isTranscoder ? normals(seed + 6, rows * dOut) : new Float32Array(0);
  for (let at = 0; at < target.length; at++) {
    const [row, out] = [Math.floor(at / dOut), at % dOut];
    for (let i = 0; i < dIn; i++) target[at]! += activations[row * dIn + i]! * skip.data[out * dIn + i]!;
  }
  writeFileSync(join(folder, 'sae.onnx'), frozenSaeToOnnx(sae));
  writeArray(folder, 'activations', { data: activations, shape: [rows, dIn] });
  if (isTranscoder) writeArray(folder, 'activations.target', { data: target, shape: [rows, dOut] });
  writeArray(folder, 'decoder', decoder);
  writeArray(folder, 'encoder', encoder);
  return { folder, sae: join(folder, 'sae.onnx'), activations, dIn, target, decoder };
}

/** Writes an array as .npy; its path. */
export function writeArray(folder: string, name: string, tensor: HostTensor<ArrayLike<number>>): string {
  const path = join(folder, `${name}.npy`);
  writeFileSync(path, writeNpy(tensor));
  return path;
}

/** Why Python cannot check bundles here; undefined where it can. */
export function missingForPython(): string | undefined {
  const { status } = spawnSync(PYTHON, ['-c', 'import numpy, onnxruntime'], { encoding: 'utf8' });
  return status === 0 ? undefined : `${PYTHON} lacks numpy or onnxruntime (MONOSEMANTIC_PYTHON names another)`;
}

/** What NumPy finds wrong with a bundle. */
export function problemsOf(
  bundle: string,
  { folder }: BundleCase,
  more: Readonly<Record<string, unknown>> = {},
): string[] {
  const spec = {
    bundle,
    ...Object.fromEntries(['activations', 'decoder', 'encoder'].map(name => [name, join(folder, `${name}.npy`)])),
    sae: join(folder, 'sae.onnx'),
    ...more,
  };
  const script = fileURLToPath(new URL('./check_bundle.py', import.meta.url));
  const { stdout, stderr, status } = spawnSync(PYTHON, [script], { input: JSON.stringify(spec), encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as string[];
}
