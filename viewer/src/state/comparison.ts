/** The comparison of two autoencoders: the latents that they share, and those that each has alone. */
import { computed, effect, signal } from '@preact/signals';
import { transfer } from '../../../src/workers/protocol.ts';
import type { Model } from '../data/model.ts';
import { ownBuffer } from '../data/shared-memory.ts';
import type { Comparison } from '../workers/analysis-api.ts';
import { analysis } from '../workers/analysis-client.ts';
import { encodingWorkers, inference } from '../workers/inference-client.ts';
import { type FiringsOf, firings, runRows } from './firings.ts';
import { other, sae } from './models.ts';
import { view } from './navigation.ts';
import { fail } from './notices.ts';
import { resource } from './resource.ts';
import { rows } from './rows.ts';

/** The cosine from which two latents count as the same. */
export const SAME = 0.7;

/** The share of the comparison that is done, from 0 to 1. */
export const compared = signal(0);

/** Multiplications of a whole comparison up to which the worker that answers probes makes it. */
const SHORT = 4e8;
/** Cosines that are found at once: some .15 s of WASM at 512 dimensions. */
const AT_ONCE = 2 ** 22;

let comparing = 0;

/**
 * Finds which latents of two autoencoders are nearest to each other, block by block; `compared` says how far it is. Which is nearest is
 * found in float32 and every cosine that is shown summed in float64, so that only latents within 1e-6 of each other could be exchanged.
 */
async function compare(a: Model, b: Model): Promise<Comparison> {
  const mine = ++comparing;
  const id = `${a.id} ${b.id} ${mine}`;
  const product = a.codeSize * b.codeSize * a.outputSize;
  const workers = await Promise.all(product <= SHORT ? [inference()] : encodingWorkers());
  const size = Math.max(1, Math.floor(AT_ONCE / b.codeSize));
  const forward = new Int32Array(a.codeSize);
  const backward = new Int32Array(b.codeSize);
  const best = new Float32Array(b.codeSize).fill(-2);
  let next = 0;
  let done = 0;
  compared.value = 0;

  const work = async (worker: (typeof workers)[number]): Promise<void> => {
    const directions = await analysis().allDirections(b.id);
    await worker.openNearest(id, transfer(directions, ownBuffer(directions)));
    try {
      while (next < a.codeSize && mine === comparing) {
        const first = next;
        next += size;
        const rows = await analysis().directionsOf(a.id, first, Math.min(size, a.codeSize - first));
        const { ofRows, ofDirections } = await worker.nearestOf(id, transfer(rows));
        forward.set(ofRows.nearest, first);
        for (let j = 0; j < best.length; j++) {
          const [cosine, nearest] = [ofDirections.cosines[j]!, first + ofDirections.nearest[j]!];
          // Blocks come in any order: of equal ones the first latent counts.
          if (cosine < best[j]! || (cosine === best[j] && nearest > backward[j]!)) continue;
          best[j] = cosine;
          backward[j] = nearest;
        }
        done += ofRows.nearest.length;
        compared.value = done / a.codeSize;
      }
    } finally {
      await worker.closeNearest(id);
    }
  };
  await Promise.all(workers.map(work));
  if (mine !== comparing) throw new Error('another comparison was asked for');
  return analysis().pairs(a.id, b.id, forward, backward, SAME);
}

export const comparison = resource<Comparison>(
  'The autoencoders could not be compared',
  () => {
    const a = sae.value;
    const b = other.value;
    if (!a?.runs || !b?.runs || a.outputSize !== b.outputSize) return undefined;
    return {
      about: `${a.id} ${b.id}`,
      once: true,
      ask: () => compare(a, b),
    };
  },
  () => view.value === 'compare',
);

/** The pair of latents that the page shows: one of the autoencoder in view, one of the other. */
export const pairInView = signal<readonly [number, number] | undefined>(undefined);

const otherFirings = signal<FiringsOf | undefined>(undefined);
let turn = 0;
let ran: string | undefined;

// The other autoencoder is run on the same rows once both are in view.
effect(() => {
  const model = other.value;
  const source = rows.value;
  const mine = ++turn;
  otherFirings.value = undefined;
  if (ran) void analysis().end(ran);
  ran = undefined;
  if (
    !model?.runs ||
    !source ||
    source.kind === 'noise' ||
    source.width !== model.inputSize ||
    !sae.value ||
    view.value !== 'compare'
  )
    return;
  const id = `other ${model.id} on ${source.id}, run ${mine}`;
  ran = id;
  const stale = (): boolean => mine !== turn;
  runRows(id, model, source, undefined, stale, done => {
    otherFirings.value = done;
  }).catch(error => {
    if (!stale()) fail('The rows could not be run', error);
  });
});

/** How often the two latents of the pair fire on the same rows. */
export const firingTogether = resource(
  'The rows could not be counted',
  () => {
    const pair = pairInView.value;
    const left = firings.value;
    const right = otherFirings.value;
    if (!pair || !left?.done || !right?.done) return undefined;
    return {
      about: `${left.id} ${right.id} ${pair.join()}`,
      ask: async () => ({
        ...(await analysis().together(left.id, pair[0], right.id, pair[1])),
        rows: left.summary.rows,
      }),
    };
  },
  () => view.value === 'compare',
);

/** How many latents of each have a counterpart. */
export const shares = computed(() => {
  const found = comparison.value;
  if (!found) return undefined;
  return {
    forward: found.forward.nearest.length - found.forward.alone.length,
    backward: found.backward.nearest.length - found.backward.alone.length,
    mutual: found.mutual.filter(a => found.forward.cosines[a]! > SAME).length,
  };
});
