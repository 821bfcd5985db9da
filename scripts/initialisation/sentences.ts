/** What the study says in words: every number in them comes from the results. */
import { studentInterval } from '../../src/analysis/student-interval.ts';
import { type Cell, nameOf, PARTS, STARTS, type StartName, staysAt } from './design.ts';
import { explanationText, shortfall } from './explain.ts';
import {
  allFound,
  type Done,
  meanFound,
  plainCells,
  type Results,
  revivalInWords,
  revivedCell,
  STAYS,
  truthOf,
} from './report.ts';

const SIZES = [
  { world: 'star', name: 'Five features in two dimensions', short: 'five' },
  { world: 'hundred', name: 'A hundred in 25', short: 'a hundred' },
  { world: 'thousand', name: 'A thousand in a hundred', short: 'a thousand' },
] as const;

/** The text between each marker. */
export function sentences(results: Results): Readonly<Record<string, string>> {
  return { answer: answer(results), results: bySize(results) };
}

/** The mean share, rounded to percents; to tenths where it would else read as all of them. */
function percentFound(done: Done): string {
  const share = 100 * meanFound(done);
  return `${share < 100 && share >= 99.5 ? share.toFixed(1) : Math.round(share)}%`;
}

function seedsOf({ result: { runs } }: Done): string {
  const found = runs.map(run => run.found);
  return runs.length === 1 ? `${found[0]} (one seed)` : `${Math.min(...found)}–${Math.max(...found)}`;
}

function startIn(cells: readonly Done[], start: StartName): Done | undefined {
  return cells.find(({ cell }) => cell.start === start);
}

/** Three sentences: what seeds do, what starts do, and what to do. */
function answer(results: Results): string {
  const sizes = SIZES.map(size => ({ ...size, cells: plainCells(results, size.world) })).filter(
    ({ cells }) => cells.length > 0,
  );
  if (sizes.length < SIZES.length) return 'Not all sizes were run.';
  const each = (start: StartName, say: (done: Done, short: string) => string): string =>
    sizes
      .flatMap(({ cells, short }) => {
        const done = startIn(cells, start);
        return done ? [say(done, short)] : [];
      })
      .join(', ');
  const shares = (start: StartName): string => each(start, (done, short) => `${percentFound(done)} of ${short}`);
  const revived = (start: StartName, revival?: Cell['revival']): string =>
    sizes
      .flatMap(({ world, short }) => {
        const done = revivedCell(results, start, world, revival);
        return done ? [`${percentFound(done)} of ${short}`] : [];
      })
      .join(', ');
  const batchTopk = kindCells('batchtopk', results);
  const matryoshka = startIn(kindCells('matryoshka', results), 'truth');
  return (
    '**Of a hundred features and of a thousand every seed finds most, and what is left undiscovered is the optimiser’s doing, not the objective’s: latents that die or mix.** ' +
    `From Gaussian rows of norm 1 and without AuxK, TopK at the true k finds ${shares('gaussian')}; single seeds find ${each('gaussian', (done, short) => `${seedsOf(done)} of ${short}`)}. ` +
    `From the truth it finds ${shares('truth')}. Of five what helps is a start spread over the activations (${shares('spread')}); of more it is AuxK, from Gaussian rows ${revived('gaussian', 'relu')} in the form of Gao et al. and ${revived('gaussian')} in SAELens’s; a small start ` +
    `(norm .1) finds ${shares('small')} without AuxK and ${revived('small')} with it, so that it is no remedy by itself. Resampling finds ${revived('gaussian', 'resampling')} from Gaussian rows.` +
    (batchTopk.length > 0 ? ` BatchTopK depends on its start more, of a hundred: ${inTurn(batchTopk, results)}.` : '') +
    (matryoshka && meanFound(matryoshka) < STAYS
      ? ` Matryoshka’s objective is another matter: training from the truth leaves it, for ${percentFound(matryoshka)} of a hundred; by less TopK leaves features in trees.`
      : '')
  );
}

/** A line for each size: what each start finds, and why it falls short. */
function bySize(results: Results): string {
  const lines = SIZES.flatMap(({ world, name }) => {
    const cells = plainCells(results, world);
    if (!startIn(cells, 'truth')) return [];
    const starts = cells.map(done => {
      const all = world === 'star' ? `, all five in ${allFound(done.result)}` : '';
      return `\`${done.cell.start}\` ${percentFound(done)}${all}${why(done, results)}`;
    });
    const revived = (revival: Cell['revival']): string =>
      STARTS.flatMap(start => {
        const done = revivedCell(results, start, world, revival);
        return done ? [`\`${start}\` ${percentFound(done)}`] : [];
      }).join(', ');
    const ofBias = (bias: Cell['bias']): string =>
      [...PARTS['star']!, ...PARTS['screen']!, ...PARTS['contrasts']!]
        .flatMap(cell => results.get(nameOf(cell)) ?? [])
        .filter(({ cell }) => cell.world === world && cell.bias === bias && cell.revival === 'none')
        .map(done => `\`${done.cell.start}\` ${percentFound(done)}${why(done, results)}`)
        .join(', ');
    const conditions = [
      ['With b_dec held', ofBias('held')],
      ['With b_dec trained from 0', ofBias('zero')],
      ['With AuxK in SAELens’s form', revived('raw')],
      ['In the form of Gao et al.', revived('relu')],
      ['With resampling', revived('resampling')],
    ].flatMap(([words, cells]) => (cells ? [` ${words}: ${cells}.`] : []));
    return [`- **${name}**: ${starts.join('; ')}.${conditions.join('')} ${walk(cells)}`];
  });
  const norms = [...PARTS['screen']!, ...PARTS['norms']!].flatMap(cell => results.get(nameOf(cell)) ?? []);
  const told = (revival: Cell['revival']): string =>
    norms
      .filter(({ cell }) => cell.revival === revival && cell.bias === 'trained' && NORMS.includes(cell.start))
      .sort((a, b) => NORMS.indexOf(a.cell.start) - NORMS.indexOf(b.cell.start))
      .map(done => `\`${done.cell.start}\` ${percentFound(done)} (FVU ${meanFvu(done)})`)
      .join(', ');
  if (norms.length > 0) {
    lines.push(
      `- **What of a small start it is**, a hundred features: ${told('none')}. With AuxK (raw): ${told('raw')}; as OpenAI has it, relu'd: ${told('relu')}.`,
    );
  }
  lines.push(...otherKinds(results), ...otherWorlds(results));
  return lines.length === 0 ? 'Not run.' : lines.join('\n');
}

const KINDS = {
  batchtopk: 'BatchTopK at the true k',
  matryoshka: 'Matryoshka',
  relu: 'ReLU',
  jumprelu: 'JumpReLU',
} as const;

/** The cells of an architecture on one of the worlds of a hundred features. */
function kindCells(kind: string, results: Results, world = 'hundred'): Done[] {
  const isSought = (cell: Cell): boolean => cell.kind === kind && cell.world === world;
  return PARTS['kinds']!.filter(isSought).flatMap(cell => results.get(nameOf(cell)) ?? []);
}

/** Other architectures on the hundred, and on the same in trees. */
function otherKinds(results: Results): string[] {
  const told = (world?: string): string[] =>
    Object.entries(KINDS).flatMap(([kind, name]) => {
      const cells = kindCells(kind, results, world);
      return cells.length === 0 ? [] : [`${name} ${inTurn(cells, results)}`];
    });
  const [plain, inTrees] = [told(), told('trees')];
  const alsoInTrees = inTrees.length === 0 ? '' : ` In trees: ${inTrees.join('; ')}.`;
  return plain.length === 0
    ? []
    : [`- **Other architectures**, a hundred features: ${plain.join('. ')}.${alsoInTrees}`];
}

const OTHER_WORLDS = {
  correlated: 'firing together',
  trees: 'in trees',
  'hundred-1': 'of a second dictionary',
  'hundred-2': 'of a third',
} as const;

/** Other data of a hundred features, by TopK. */
function otherWorlds(results: Results): string[] {
  const told = Object.entries(OTHER_WORLDS).flatMap(([world, name]) => {
    const cells = PARTS['contrasts']!.filter(cell => cell.world === world).flatMap(
      cell => results.get(nameOf(cell)) ?? [],
    );
    return cells.length === 0 ? [] : [`${name}: ${inTurn(cells, results)}`];
  });
  return told.length === 0 ? [] : [`- **Other data**, a hundred features ${told.join('; ')}.`];
}

/** Cells of one kind and world: what each start finds, and why it falls short. */
function inTurn(cells: readonly Done[], results: Results): string {
  return cells
    .map(done => {
      const revival = done.cell.revival === 'none' ? '' : ` with ${revivalInWords(done.cell.revival)}`;
      return `\`${done.cell.start}\`${revival} ${percentFound(done)}${why(done, results)}`;
    })
    .join(', ');
}

/** Starts that differ in the norm of rows and in the decoder's form. */
const NORMS: readonly StartName[] = ['gaussian', 'free', 'small-encoder', 'small', 'small-spread', 'truth'];

function meanFvu({ result: { runs } }: Done): string {
  return studentInterval(runs.map(({ fvu }) => fvu)).mean.toFixed(3);
}

/** Why a cell falls short of the truth's, in brackets; nothing where it is that cell, or its rows stay. */
function why(done: Done, results: Results): string {
  const truth = staysAt(done.cell.start) ? undefined : truthOf(done, results);
  return truth && truth !== done ? ` (${explanationText(shortfall(done.result, truth.result))})` : '';
}

/** How far b_dec goes from each start. */
function walk(cells: readonly Done[]): string {
  const moved = cells.map(({ cell, result }) => {
    const { mean } = studentInterval(result.runs.map(run => run.biasMoved));
    return `${cell.start} ${mean.toFixed(2)}`;
  });
  return `b_dec moves by so many times the size of the activations: ${moved.join(', ')}.`;
}
