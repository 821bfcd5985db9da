/**
 * From runs to what is checked in: `models/`, each frozen model with a card that is read from the file itself, and the README's figures in
 * `docs/figures/`.
 */

import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256OfFile } from '../files/file-hash.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import { inspectModel } from '../inference/node.ts';
import { writeJson } from './run-files.ts';

/** A file of a run, and its name beside the others. */
export interface Published {
  /** The path in `runs/`. */
  readonly from: string;
  readonly to: string;
}

/** A model that is published. */
export interface PublishedModel extends Published {
  readonly title: string;
  /** The command that makes it. */
  readonly command: string;
  /** Further files that belong to the model, such as its history. */
  readonly beside?: readonly Published[];
}

/** Everything that the experiments publish. */
export interface Publication {
  readonly models: readonly PublishedModel[];
  /** Tables and records kept beside the models. */
  readonly results: readonly Published[];
  /** The figures, without an extension. */
  readonly figures: readonly Published[];
}

/** Seconds that each experiment took. */
export type Durations = Readonly<Record<string, number>>;

/**
 * Copies what there is from `runs` into `models` and `figures`, and writes `models/README.md`. Of an experiment that has not run here, what
 * was published before stays.
 */
export async function publish(
  { models, results, figures }: Publication,
  folders: { readonly runs: string; readonly models: string; readonly figures: string },
  durations: Durations,
): Promise<void> {
  const copy = async ({ from, to }: Published, folder: string): Promise<void> => {
    if (!existsSync(join(folders.runs, from))) return;
    await mkdir(folder, { recursive: true });
    await copyFile(join(folders.runs, from), join(folder, to));
  };
  const cards: string[] = [];
  for (const model of models) {
    for (const file of [model, ...(model.beside ?? [])]) await copy(file, folders.models);
    const file = join(folders.models, model.to);
    if (existsSync(file)) cards.push(await modelCard(model, file));
  }
  for (const result of results) await copy(result, join(folders.models, 'results'));
  for (const { from, to } of figures) {
    await copy({ from: `${from}.svg`, to: `${to}.svg` }, folders.figures);
    await copy({ from: `${from}.png`, to: `${to}.png` }, folders.figures);
  }
  const known = await readDurations(join(folders.models, DURATIONS));
  const all = Object.entries({ ...known, ...durations }).sort(([, a], [, b]) => b - a);
  await writeJson(join(folders.models, DURATIONS), Object.fromEntries(all));
  const times = all.map(([experiment, seconds]) => `| \`${experiment}\` | ${Math.round(seconds)} s |`);
  const total = Math.round(all.reduce((sum, [, seconds]) => sum + seconds, 0) / 60);
  const readme = `${INTRODUCTION}\n${cards.join('\n')}
## How long it took

From start to end of each, run beside others; they add up to ${total} minutes. Runs that were stopped and resumed are left out.

| experiment | time |
| --- | ---: |
${times.join('\n')}
`;
  await writeFileAtomic(join(folders.models, 'README.md'), readme);
}

const DURATIONS = join('results', 'durations.json');

async function readDurations(file: string): Promise<Durations> {
  return existsSync(file) ? (JSON.parse(await readFile(file, 'utf8')) as Durations) : {};
}

const INTRODUCTION = `# Frozen models

What the experiments in \`scripts/\` end with, as ONNX files of this project's contract (see ARCHITECTURE.md). \`npm run experiments\`
rebuilds this folder and nothing else writes to it; this page is made from the files' own metadata. \`results/\` holds the tables that the
README quotes.
`;

/** What a frozen file says of itself, in Markdown. */
async function modelCard({ title, command, to, beside = [] }: PublishedModel, file: string): Promise<string> {
  const { metadata } = await inspectModel(file);
  const { training = {}, ...config } = (metadata.config ?? {}) as Record<string, unknown>;
  const { metrics, ...made } = training as Record<string, unknown>;
  const rows: [string, unknown][] = [
    ['made by', `\`${command}\``],
    ...Object.entries(config),
    ...Object.entries(made),
    ...(metadata.trainedOn ? [['trained on (SHA-256)', metadata.trainedOn] as [string, unknown]] : []),
    ...Object.entries((metrics ?? {}) as Record<string, unknown>).map(([when, scores]): [string, unknown] => [
      when.replace('_', ' '),
      scores,
    ]),
    ...(beside.length > 0
      ? [['beside it', beside.map(other => `\`${other.to}\``).join(', ')] as [string, unknown]]
      : []),
    ['SHA-256', await sha256OfFile(file)],
  ];
  const lines = rows.map(([name, value]) => `| ${name} | ${inWords(value)} |`);
  return `## ${title}\n\n\`${to}\`\n\n| | |\n| --- | --- |\n${lines.join('\n')}\n`;
}

/** A value of a card: numbers to four digits, lists and records in a line. */
function inWords(value: unknown): string {
  if (typeof value === 'number') return String(Number.isInteger(value) ? value : Number(value.toPrecision(4)));
  if (Array.isArray(value)) return value.map(inWords).join(', ');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .filter(([name]) => name !== 'featureProbabilities')
    .map(([name, entry]) => {
      const words = inWords(entry);
      return `${name.replaceAll('_', ' ')} ${typeof entry === 'object' ? `(${words})` : words}`;
    })
    .join(', ');
}

/** The times that finished experiments left in their folders, `run.json`. */
export async function durationsOf(runs: string, names: readonly string[]): Promise<Durations> {
  const durations: Record<string, number> = {};
  for (const experiment of names) {
    const file = join(runs, experiment, 'run.json');
    if (!existsSync(file)) continue;
    const run = JSON.parse(await readFile(file, 'utf8')) as { seconds: number; options: { resume?: boolean } };
    // A resumed run knows only how long its last part took.
    if (!run.options.resume) durations[experiment] = run.seconds;
  }
  return durations;
}
