/** Looks at two frozen files as any app would, through inference alone: fresh features in, matched latents out. */
import { FiringDensity } from '../analysis/firing-density.ts';
import { type Recovery, recovery } from '../analysis/recovery.ts';
import { randomStream } from '../data/streams.ts';
import { SyntheticSparseDataGenerator } from '../data/synthetic-sparse.ts';
import { loadSae, loadToyModel } from '../inference/node.ts';
import { recoveryThreshold } from './sae-run.ts';

const SAMPLES = 10_000;
const PROBE_STREAM = 4;

/** Runs fresh sparse features through the toy model and its hidden activations through the autoencoder, and matches directions. */
export async function probe(
  files: { readonly toyModel: string; readonly sae: string },
  { sparsity, seed }: { readonly sparsity: number; readonly seed: number },
): Promise<Recovery> {
  await using toyModel = await loadToyModel(files.toyModel, { provider: 'cpu' });
  await using sae = await loadSae(files.sae, { provider: 'cpu' });
  const { nFeatures } = toyModel;
  const generator = new SyntheticSparseDataGenerator(
    SAMPLES,
    Array<number>(nFeatures).fill(sparsity),
    randomStream(seed, PROBE_STREAM),
  );
  const hidden = await toyModel.encode(generator.generateBatch());
  const density = new FiringDensity();
  density.add(await sae.encode(hidden));
  return recovery({
    directions: await sae.featureDirections(),
    trueDirections: await toyModel.featureDirections(),
    alive: density.compute().alive,
    threshold: recoveryThreshold(nFeatures),
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
