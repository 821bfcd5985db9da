/** The comparison of two autoencoders: the latents that they share, and those that each has alone. */
import { computed, effect, signal } from '@preact/signals';
import type { Comparison } from '../workers/analysis-api.ts';
import { analysis } from '../workers/analysis-client.ts';
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

/** How the latents of the two autoencoders stand to each other. */
export const comparison = resource<Comparison>(
  'The autoencoders could not be compared',
  () => {
    const a = sae.value;
    const b = other.value;
    if (!a?.runs || !b?.runs || a.outputSize !== b.outputSize) return undefined;
    return {
      about: `${a.id} ${b.id}`,
      once: true,
      ask: () => {
        compared.value = 0;
        return analysis().compare(a.id, b.id, (share: number) => {
          compared.value = share;
        });
      },
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
  const above = (cosines: Float32Array): number =>
    cosines.reduce((count, cosine) => count + (cosine > SAME ? 1 : 0), 0);
  return {
    forward: above(found.forward.cosines),
    backward: above(found.backward.cosines),
    mutual: found.mutual.filter(({ cosine }) => cosine > SAME).length,
  };
});
