/** Looks at two frozen files as any app would, through inference alone: fresh features in, matched latents out. */
import { FiringDensity } from '../analysis/firing-density.ts';
import { type Recovery, recovery } from '../analysis/recovery.ts';
import { loadSae, loadToyModel } from '../inference/node.ts';
import { recoveryThreshold } from './sae-run.ts';
import { drawFeatures, readToyModel } from './toy-model-truth.ts';

const SAMPLES = 10_000;
const PROBE_STREAM = 4;

/** Runs fresh features of the toy model's data through the toy model and its hidden activations through the autoencoder, and matches directions. */
export async function probe(
  files: { readonly toyModel: string; readonly sae: string },
  { sparsity, seed }: { readonly sparsity: number; readonly seed: number },
): Promise<Recovery> {
  const truth = await readToyModel(files.toyModel);
  await using toyModel = await loadToyModel(files.toyModel, { provider: 'cpu' });
  await using sae = await loadSae(files.sae, { provider: 'cpu' });
  const features = drawFeatures(truth, { sparsity, seed, rows: SAMPLES, stream: PROBE_STREAM });
  const hidden = await toyModel.encode(features);
  const density = new FiringDensity();
  density.add(await sae.encode(hidden));
  return recovery({
    directions: await sae.featureDirections(),
    trueDirections: truth.directions,
    alive: density.compute().alive,
    threshold: recoveryThreshold(truth.directions.shape[0]!),
  });
}

/** The recovery as a table, a line a true direction. */
export function recoveryTable({ features }: Recovery): string {
  const rows = features.map(({ latent, cosine, alive, recovered }, feature) => [
    String(feature),
    latent === null ? '–' : String(latent),
    cosine.toFixed(4),
    alive ? 'yes' : 'no',
    recovered ? 'yes' : 'no',
  ]);
  const lines = [['direction', 'latent', 'cosine', 'alive', 'recovered'], ...rows];
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map(line => line[column]!.length)));
  return lines.map(line => line.map((cell, column) => cell.padStart(widths[column]!)).join('  ')).join('\n');
}
