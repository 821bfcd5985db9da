/** Scores a frozen autoencoder on rows that no training saw, with one measure for every library that trained one. */
import { ExplainedVariance } from '../src/analysis/explained-variance.ts';
import { FiringDensity } from '../src/analysis/firing-density.ts';
import { L0 } from '../src/analysis/l0.ts';
import { frozenSaeToOnnx } from '../src/export/frozen-sae-onnx.ts';
import { type LoadedSae, loadSae } from '../src/inference/node.ts';
import type { FrozenSae } from '../src/models/frozen-sae.ts';
import { type HostTensor, hostTensor } from '../src/tensor.ts';

/** The score of an autoencoder on held-out rows. */
export interface HeldOutScore {
  /** The explained variance; undefined where the rows do not vary. */
  readonly explainedVariance: number | undefined;
  readonly l0: number;
  /** Latents that fired in none of the rows. */
  readonly silent: number;
}

const AT_ONCE = 1024;

/** Runs a frozen `sae`, or one that is loaded, on `rows` [n, d_in] as any app would, through its file. */
export async function heldOutScore(sae: FrozenSae | LoadedSae, rows: HostTensor): Promise<HeldOutScore> {
  if ('forward' in sae) return scored(sae, rows);
  await using loaded = await loadSae(frozenSaeToOnnx(sae), { provider: 'cpu' });
  return await scored(loaded, rows);
}

async function scored(loaded: LoadedSae, { data, shape }: HostTensor): Promise<HeldOutScore> {
  const [count, width] = shape as [number, number];
  const [variance, l0, firing] = [new ExplainedVariance(), new L0(), new FiringDensity()];
  for (let from = 0; from < count; from += AT_ONCE) {
    const to = Math.min(from + AT_ONCE, count);
    const rows = hostTensor(data.slice(from * width, to * width) as Float32Array, [to - from, width]);
    const { features, reconstruction } = await loaded.forward(rows);
    variance.add(rows, reconstruction);
    l0.add(features);
    firing.add(features);
  }
  return { explainedVariance: variance.compute(), l0: l0.compute(), silent: firing.compute().dead.length };
}

/** The score in words. */
export function scoreText({ explainedVariance, l0, silent }: HeldOutScore): string {
  return `EV ${explainedVariance?.toFixed(3) ?? '–'}, L0 ${l0.toFixed(1)}, ${silent} silent`;
}
