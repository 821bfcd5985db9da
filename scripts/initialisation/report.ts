/** What the study of initialisation found: tables, sentences, figures, and every run as a line of CSV. */
import { studentInterval } from '../../src/analysis/student-interval.ts';
import { wilsonInterval } from '../../src/analysis/wilson-interval.ts';
import { type Figure, plotRecovery, plotSettingEffect } from '../../src/plots/index.ts';
import type { KeptResults } from '../tables/kept-results.ts';
import { meanOf, type TableReport } from '../tables/table.ts';
import {
  type Cell,
  conditionOf,
  DEAD_AFTER,
  L0,
  L1,
  nameOf,
  PARTS,
  PREFIXES,
  RESAMPLED_AFTER,
  STARTS,
  type StartName,
  staysAt,
} from './design.ts';
import { explanationText, type Shortfall, shortfall } from './explain.ts';
import type { CellResult, Run } from './run-cell.ts';
import { worldSettings } from './worlds.ts';

/** A cell that was run. */
export interface Done {
  readonly cell: Cell;
  readonly result: CellResult;
}

/** Results by the name of the cell, of those that were run. */
export type Results = ReadonlyMap<string, Done>;

/** Everything that is written of the results: tables by their markers in docs/study.md. */
export interface StudyReport {
  readonly tables: Readonly<Record<string, TableReport>>;
  readonly figures: Readonly<Record<string, Figure>>;
  readonly csv: string;
}

/** All cells of the design that are kept, also those of other seeds than it asks for. */
export async function keptCells(kept: KeptResults): Promise<Results> {
  const results = new Map<string, Done>();
  for (const cell of Object.values(PARTS).flat()) {
    const result = await kept.get<CellResult>(nameOf(cell), { ...cell }, ['seeds']);
    if (result) results.set(nameOf(cell), { cell, result });
  }
  return results;
}

/** Worlds of the three sizes, and how many features each has. */
const SIZES = [
  { world: 'star', features: 5 },
  { world: 'hundred', features: 100 },
  { world: 'thousand', features: 1000 },
] as const;

/** Training from the truth stays at it where it still finds more than this share. */
export const STAYS = 0.95;

/** Kinds of failure, in the words of the figure. */
const FAILURES = { dead: 'dead', duplicates: 'pairs of one direction', mixtures: 'mixtures of two features' } as const;

/** Parts of the design that vary one other factor. */
const CONTRASTS = ['norms', 'contrasts', 'topics', 'revived', 'star'];

/** The cells of a world that differ from its plain one in their start alone. */
export function plainCells(results: Results, world: string): Done[] {
  const plain = worldSettings(world);
  return [...results.values()]
    .filter(({ cell }) => cell.world === world && cell.kind === 'topk' && cell.revival === 'none')
    .filter(({ cell }) => cell.bias === 'trained' && cell.dSae === plain.dSae && cell.k === plain.k)
    .filter(({ cell }) => cell.learningRate === plain.learningRate && cell.steps === plain.steps)
    .sort((a, b) => STARTS.indexOf(a.cell.start) - STARTS.indexOf(b.cell.start));
}

/** The TopK cell of a world that starts so and has AuxK in one of its forms: `relu` is that of Gao et al. and the library's default, `raw` SAELens's. */
export function revivedCell(
  results: Results,
  start: StartName,
  world: string,
  revival: Cell['revival'] = 'raw',
): Done | undefined {
  return [...results.values()].find(
    ({ cell }) =>
      cell.world === world &&
      cell.kind === 'topk' &&
      cell.start === start &&
      cell.revival === revival &&
      cell.bias === 'trained' &&
      cell.dSae === worldSettings(world).dSae,
  );
}

/** The cell that differs from another only in that it starts at the truth. */
export function truthOf({ cell }: Done, results: Results): Done | undefined {
  const condition = conditionOf(cell);
  return [...results.values()].find(other => other.cell.start === 'truth' && conditionOf(other.cell) === condition);
}

/** Mean share of directions found. */
export function meanFound({ result: { runs, sought } }: Done): number {
  return runs.reduce((sum, { found }) => sum + found, 0) / (runs.length * sought);
}

export function report(results: Results): StudyReport {
  const find = (cell: Cell): Done | undefined => results.get(nameOf(cell));
  const doneOf = (part: string): Done[] => PARTS[part]!.flatMap(cell => find(cell) ?? []);
  const row = (done: Done): string[] => cellsOf(done, truthOf(done, results));
  const plain = (world: string): Done[] => plainCells(results, world);
  const table = (
    title: string,
    about: string,
    parts: readonly string[],
    of: readonly Done[],
    verdict: string,
  ): TableReport => ({
    title,
    setting: `${about}${missing(parts, results)}`,
    header: HEADER,
    rows: of.map(row),
    verdict,
  });
  const explanations = (of: readonly Done[]): string =>
    counted(of.flatMap(done => explanationOf(done, truthOf(done, results))));
  const sizes = [...SIZES.map(({ world }) => world), 'topics'].flatMap(plain);
  const screen = doneOf('screen');
  const contrasts = CONTRASTS.flatMap(doneOf).filter(done => !sizes.includes(done));
  const rates = [...doneOf('rates'), ...doneOf('thousandRates')];
  return {
    tables: {
      sizes: table('Every start at every size', recipe(), ['star', 'screen', 'thousand'], sizes, explanations(sizes)),
      screen: table(
        'The screen: start × b_dec, and AuxK, a hundred features',
        'Five starts with b_dec trained and held, and three with AuxK, on the hundred.',
        ['screen'],
        screen,
        effects(screen),
      ),
      contrasts: table(
        'The contrasts: one other factor at a time',
        'What differs from the plain cell stands in the first column.',
        CONTRASTS,
        contrasts,
        explanations(contrasts),
      ),
      kinds: table(
        'Other architectures',
        `A hundred features, 3 of them active (in trees 4); BatchTopK at the true k, its threshold the running mean (.99) of the least activation that a batch keeps, and so Matryoshka, which trains on the unweighted sum of the errors of its first ${PREFIXES.map(share => share * 100).join(', ')} latents; ReLU and JumpReLU (step penalty, bandwidth .05, thresholds from .01) with the weight of the penalty steered to as many active latents (\`targetL0\`, [training.md](training.md); at first l1 ${L1} and l0 ${L0}).`,
        ['kinds'],
        doneOf('kinds'),
        explanations(doneOf('kinds')),
      ),
      rates: table(
        'The learning rate',
        'Beside the plain cells above, whose rate is .003; of a thousand one seed.',
        ['rates', 'thousandRates'],
        rates,
        explanations(rates),
      ),
    },
    figures: figuresOf(plain, (start, world, revival) => revivedCell(results, start, world, revival)),
    csv: csvOf([...results.values()]),
  };
}

const HEADER = [
  'cell',
  'seeds',
  'found at step 0',
  'found at the end',
  'least–most',
  'FVU',
  'FVU less that from the truth',
  'L0',
  'dead',
  'doubled',
  'mixed',
  'b_dec moved',
  'PW-MCC (chance)',
  'why short of the truth (seeds)',
];

function cellsOf(done: Done, truth: Done | undefined): string[] {
  const { cell, result } = done;
  const { runs, sought, again } = result;
  const of = (value: (run: Run) => number): number[] => runs.map(value);
  const found = of(run => run.found);
  const compared = truth && truth !== done ? shortfall(result, truth.result) : undefined;
  return [
    inWords(cell),
    String(runs.length),
    percents(of(run => run.foundAtStart / sought)),
    percents(of(run => run.found / sought)),
    `${Math.min(...found)}–${Math.max(...found)} of ${sought}`,
    meanOf(
      of(run => run.fvu),
      4,
    ),
    compared ? signed(compared.excess) : '–',
    meanOf(
      of(run => run.l0),
      2,
    ),
    meanOf(
      of(run => run.dead),
      1,
    ),
    meanOf(
      of(run => run.duplicates),
      1,
    ),
    meanOf(
      of(run => run.mixtures),
      1,
    ),
    meanOf(
      of(run => run.biasMoved),
      2,
    ),
    runs.length > 1 ? `${again.pwMcc.toFixed(2)} (${again.chance.pwMcc.toFixed(2)})` : '–',
    reasonOf(done, compared),
  ];
}

/** Why a cell falls short of the truth, in words. */
function reasonOf({ cell, result }: Done, compared: Shortfall | undefined): string {
  if (staysAt(cell.start)) return 'its rows stay';
  if (compared) return explanationText(compared);
  return cell.start === 'truth' ? leaves(result) : '–';
}

/** Whether training from the truth stays there. */
function leaves({ runs, sought }: CellResult): string {
  const { mean } = studentInterval(runs.map(run => run.found / sought));
  return mean > STAYS ? 'stays at it' : `leaves it: objective`;
}

/** What brings dead latents back, in words. */
export function revivalInWords(revival: Cell['revival']): string {
  return revival === 'resampling' ? revival : `AuxK ${revival}`;
}

/** A cell in words: its start, and what differs from the plain cell of its world. */
function inWords({ world, kind, start, bias, revival, dSae, k, learningRate }: Cell): string {
  const plain = worldSettings(world);
  return [
    world,
    start,
    ...(kind === 'topk' ? [] : [kind]),
    ...(bias === 'trained' ? [] : [bias === 'held' ? 'b_dec held' : 'b_dec from 0']),
    ...(revival === 'none' ? [] : [revivalInWords(revival)]),
    ...(dSae === plain.dSae ? [] : [`${dSae} latents`]),
    ...(k === plain.k ? [] : [`k ${k}`]),
    ...(learningRate === plain.learningRate ? [] : [`rate ${learningRate}`]),
  ].join(', ');
}

function percents(shares: readonly number[]): string {
  return `${meanOf(
    shares.map(share => 100 * share),
    1,
  )}%`;
}

function signed({ mean, low, high }: { readonly mean: number; readonly low: number; readonly high: number }): string {
  const sign = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}`;
  return Number.isNaN(low) ? sign(mean) : `${sign(mean)} [${sign(low)}, ${sign(high)}]`;
}

function explanationOf(done: Done, truth: Done | undefined): string[] {
  if (done.cell.start === 'truth') return [leaves(done.result)];
  return truth && !staysAt(done.cell.start) ? [shortfall(done.result, truth.result).explanation] : [];
}

function counted(words: readonly string[]): string {
  if (words.length === 0) return 'Not run.';
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return `Of ${words.length} cells: ${[...counts].map(([word, count]) => `${word} ${count}`).join(', ')}.`;
}

/**
 * Mean effects of the screen's factors on the share found, in points, seeds paired: of starts and of b_dec over the crossed cells without AuxK, of AuxK over those that
 * have it and the same without.
 */
function effects(screen: readonly Done[]): string {
  const complete = PARTS['screen']!.length;
  if (screen.length < complete) return `${screen.length} of ${complete} cells were run: no effects yet.`;
  const crossed = screen.filter(({ cell }) => cell.revival === 'none');
  const revived = screen.filter(({ cell }) => cell.revival !== 'none');
  const plain = crossed.filter(
    ({ cell }) => cell.bias === 'trained' && revived.some(other => other.cell.start === cell.start),
  );
  const byStart = (start: StartName): Done[] => crossed.filter(({ cell }) => cell.start === start);
  const byBias = (bias: Cell['bias']): Done[] => crossed.filter(({ cell }) => cell.bias === bias);
  const starts = (['activations', 'spread', 'small', 'truth'] as const).map(start =>
    effect(`\`${start}\` instead of \`gaussian\``, byStart(start), byStart('gaussian')),
  );
  const others = [
    effect('b_dec held', byBias('held'), byBias('trained')),
    effect(`AuxK (${plain.map(({ cell }) => cell.start).join(', ')})`, revived, plain),
  ];
  return `Mean effects on the share of directions found, in points with 95% intervals: ${[...starts, ...others].join('; ')}.`;
}

/** The mean difference of two sets of cells, over the seeds that all of them have. */
function effect(name: string, one: readonly Done[], other: readonly Done[]): string {
  const share = (of: readonly Done[], seed: number): number =>
    of.reduce((sum, { result }) => sum + result.runs[seed]!.found / result.sought, 0) / of.length;
  const least = Math.min(...[...one, ...other].map(({ result }) => result.runs.length));
  const seeds = Array.from({ length: least }, (_, seed) => seed);
  const { mean, low, high } = studentInterval(seeds.map(seed => 100 * (share(one, seed) - share(other, seed))));
  return `${name} ${mean.toFixed(1)} [${low.toFixed(1)}, ${high.toFixed(1)}]`;
}

function missing(parts: readonly string[], results: Results): string {
  const open = parts.flatMap(part => PARTS[part]!).filter(cell => !results.has(nameOf(cell)));
  return open.length === 0 ? '' : ` Not run: ${open.map(inWords).join('; ')}.`;
}

/** What somebody needs to run a cell again. */
function recipe(): string {
  const worlds = [...SIZES.map(({ world }) => world), 'topics', 'correlated', 'trees'].map(name => {
    const { inWords: words, dSae, k, steps, batch, learningRate, heldOut } = worldSettings(name);
    const [long, size, rows] = [steps, batch, heldOut].map(count => count.toLocaleString('en'));
    return `\`${name}\`: ${words}; ${dSae} latents, TopK ${k}, ${long} steps of ${size} at ${learningRate}, measured on ${rows} rows`;
  });
  return (
    `${worlds.join('. ')}. Magnitudes are uniform on [0, 1). All seeds have one dictionary (that of data seed 0) and one set of rows that no training saw (\`--worlds FOLDER\` writes both), so that intervals are of starts and batches: on another dictionary or other rows found and dead are about the same, FVU and its difference to the truth’s may differ by more than their intervals (\`hundred-1\` and \`hundred-2\`: the hundred of two other dictionary seeds). Seeds count from 0. All: fresh samples in every step, mean squared error, Adam (0, .999, eps 1e-8), the rate falling to 0 over the ` +
    'last fifth, x̂ = TopK(relu((x − b_dec) W_enc + b_enc)) W_dec + b_dec, unit decoder rows (reparametrised; `small`, `small-spread` and `free`: free rows, at first of norm .1, .1 and 1), W_enc at first W_decᵀ (`small-encoder`: W_decᵀ / 10), b_enc 0, b_dec the geometric ' +
    'median of 10,000 samples, the same for all seeds (`truth`: b, and Gaussian rows where there are more latents than features). `activations`: rows of the sample less b_dec, at random, without those of less than a tenth of the mean norm; `k-means`: centres of such rows by spherical k-means (those of 10,000, 30 rounds, from rows at random; a centre without rows begins anew at the row farthest from its own); `spread`: such rows, each drawn with probability ∝ (1 − largest cosine to one before)⁴; `blend`: .8 of such a row and .2 of a Gaussian one of its norm. Found: a true direction with an alive latent of its own under optimal matching, signed cosine > .9 (`star`: > .98, to the rows of its W; its b is not used). ' +
    `Means ± half of the 95% interval (Student’s t) over seeds, no ± where there is one seed or all agree; differences and reasons are of the seeds that the cell from the truth has too. \`reaches it\`: not fewer directions, within the interval or a fiftieth; \`stays at it\`: from the truth more than ${STAYS} are still found. AuxK: of at most d_in / 2 latents, dead after ${DEAD_AFTER} steps; raw is SAELens’s form (latents without ReLU, weight 1 times their share of d_in / 2), relu is OpenAI’s (with ReLU, the squared error of reconstructing e times Var(x) / Var(e), weight 1/32). Resampling: after every ${RESAMPLED_AFTER} steps, latents that were dead for ${DEAD_AFTER} get as decoder row and encoder column the direction of a row of the sample less b_dec, the column at a fifth of the living ones’ mean norm, bias and moments 0; rows are drawn without return from as many as a batch has, with probabilities ∝ the norm of their error (dictionary_learning’s form). \`frozen\` and \`frozen-truth\`: the decoder keeps its Gaussian rows, and the true ones (b_dec from b). ` +
    'Doubled: pairs of latents that fire, of a cosine above .95. Mixed: latents within .9 of a positive sum of two true directions and of neither alone. PW-MCC: mean |cosine| of latents matched between two seeds, and of random directions.'
  );
}

function figuresOf(
  plain: (world: string) => Done[],
  revivedCell: (start: StartName, world: string, revival: Cell['revival']) => Done | undefined,
): Record<string, Figure> {
  const starts = STARTS.filter(start => plain('hundred').some(({ cell }) => cell.start === start));
  const within = (value: number): number => Math.min(1, Math.max(0, value));
  const pointsOf = (doneIn: (world: string) => Done | undefined, shareOf: (run: Run, done: Done) => number) =>
    SIZES.flatMap(({ world, features }) => {
      const done = doneIn(world);
      if (!done) return [];
      const { mean, low, high } = studentInterval(done.result.runs.map(run => shareOf(run, done)));
      return [{ value: features, mean, low: within(low), high: within(high) }];
    });
  const found = (run: Run, { result }: Done): number => run.found / result.sought;
  const plainIn = (start: string) => (world: string) => plain(world).find(({ cell }) => cell.start === start);
  const bySize = starts
    .filter(start => SIZES.every(({ world }) => plainIn(start)(world) !== undefined))
    .map(name => ({ name, points: pointsOf(plainIn(name), found) }));
  const revived = (
    [
      ['gaussian', 'relu', 'gaussian, AuxK'],
      ['small', 'raw', 'small, AuxK of SAELens'],
    ] as const
  ).map(([start, revival, name]) => ({
    name,
    points: pointsOf(world => revivedCell(start, world, revival), found),
  }));
  // Decoders that stay have no way to go.
  const moving = plain('hundred').filter(({ cell }) => !staysAt(cell.start));
  const curves = moving.map(({ cell, result }) => ({
    name: cell.start,
    steps: result.looks,
    fraction: result.looks.map(
      (_, i) => result.runs.reduce((sum, run) => sum + run.foundOver[i]!, 0) / (result.runs.length * result.sought),
    ),
  }));
  const failures = (['dead', 'duplicates', 'mixtures'] as const).map(kind => ({
    name: FAILURES[kind],
    points: pointsOf(
      // In a plane every direction is a sum of two others.
      world => (kind === 'mixtures' && world === 'star' ? undefined : plainIn('gaussian')(world)),
      (run, { cell }) => run[kind] / cell.dSae,
    ),
  }));
  return {
    'initialisation-failures': plotSettingEffect(failures, {
      setting: 'true features',
      metric: 'count, to the number of latents',
      title: 'What becomes of latents that find nothing?',
      subtitle: 'TopK at the true k from Gaussian rows, without AuxK; means over seeds with 95% intervals',
    }),
    'initialisation-by-size': plotSettingEffect([...bySize, ...revived.filter(({ points }) => points.length > 0)], {
      setting: 'true features',
      metric: 'share of true directions found',
      title: 'Does the start still matter with more features?',
      subtitle: 'TopK at the true k, as many latents as features; means over seeds with 95% intervals',
    }),
    'initialisation-by-step': plotRecovery(curves, {
      title: 'A hundred features in 25 dimensions: directions found by step',
      subtitle: 'mean over seeds; every latent counts, whether it fires or not',
      logSteps: true,
    }),
  };
}

/** Every run: its cell and what was measured. */
function csvOf(all: readonly Done[]): string {
  const factors = ['world', 'kind', 'start', 'bias', 'revival', 'dSae', 'k', 'learningRate', 'steps', 'batch'] as const;
  const metrics = [
    'seed',
    'foundAtStart',
    'found',
    'foundEitherSign',
    'fvuAtStart',
    'fvu',
    'loss',
    'l0',
    'dead',
    'duplicates',
    'mixtures',
    'biasMoved',
    'biasMissed',
    'cDec',
    'chance',
  ] as const;
  const lines = all.flatMap(({ cell, result }) =>
    result.runs.map(run =>
      [
        ...factors.map(name => cell[name]),
        result.sought,
        ...metrics.map(name => Number(run[name].toPrecision(6))),
      ].join(','),
    ),
  );
  return `${[...factors, 'sought', ...metrics].join(',')}\n${lines.join('\n')}\n`;
}

/** In how many of the runs everything was found, with the 95% Wilson interval. */
export function allFound({ runs, sought }: CellResult): string {
  const all = runs.filter(({ found }) => found === sought).length;
  const { low, high } = wilsonInterval(all, runs.length);
  return `${all} of ${runs.length} (${Math.round(100 * low)}–${Math.round(100 * high)}%)`;
}
