/** The reports as a page: for each card one table, what each cell means below it. */
import { type MachineReport, type Outcome, PATHS, type Row } from './row.ts';

const WORDS: Readonly<Record<Outcome, string>> = {
  ran: 'ran',
  wrong: '**wrong**',
  failed: '**failed**',
  unavailable: 'not to be had',
};

const INTRODUCTION = `# On GPUs

Written by \`npm run check:gpu -- --output docs\`; [gpu.json](gpu.json) holds the same. Each cell was run in a process of its own, with a
time limit. *ran*: it ran, and its figures are right: PyTorch's to 1e-5, ONNX Runtime's on the CPU to 2e-5 for codes and 1e-4 for the losses of
five steps. *wrong*, *failed* and *not to be had* say below by how much, why, and what is missing; a path that does not load is asked no more (–). Times are medians of one step (batch 1,024) or one call;
with PyTorch, its eager dense step on the same card, they are beside it as a ratio.
`;

/** Writes reports as a Markdown page. */
export function toMarkdown(reports: readonly MachineReport[]): string {
  return `${[INTRODUCTION, ...reports.map(machineSection)].join('\n')}`;
}

function machineSection({ card, date, machine, rows }: MachineReport): string {
  const facts = Object.entries(machine).map(([name, value]) => `- ${name}: ${value}`);
  return [
    `## ${card}`,
    '',
    `${date}`,
    '',
    ...facts,
    '',
    toTable(rows),
    '',
    ...[...PATHS, 'PyTorch' as const].flatMap(path => detailsOf(path, rows)),
  ].join('\n');
}

/** A table with a row for each check and a column for each path. */
export function toTable(rows: readonly Row[]): string {
  const pytorch = new Map(rows.filter(({ path }) => path === 'PyTorch').map(row => [row.check, row]));
  const columns = [...PATHS, ...(pytorch.size > 0 ? (['PyTorch'] as const) : [])];
  const checks = [...new Set(rows.map(({ check }) => check))];
  const cell = (check: string, path: string): string => {
    const row = rows.find(candidate => candidate.check === check && candidate.path === path);
    return row ? cellOf(row, pytorch.get(check)) : '–';
  };
  return [
    `| | ${columns.join(' | ')} |`,
    `|${'---|'.repeat(columns.length + 1)}`,
    ...checks.map(check => `| ${check} | ${columns.map(path => cell(check, path)).join(' | ')} |`),
  ].join('\n');
}

function cellOf({ outcome, path, ms, deviceMiB }: Row, pytorch: Row | undefined): string {
  const parts = [WORDS[outcome]];
  if (ms !== undefined) parts.push(`${inMilliseconds(ms)}${ratio(ms, path === 'PyTorch' ? undefined : pytorch?.ms)}`);
  if (deviceMiB !== undefined && deviceMiB > 0) parts.push(`${Math.round(deviceMiB).toLocaleString('en')} MiB`);
  return parts.join(', ');
}

function ratio(ms: number, pytorch: number | undefined): string {
  return pytorch === undefined ? '' : ` (${(pytorch / ms).toFixed(1)}×)`;
}

function inMilliseconds(ms: number): string {
  return `${ms < 1 ? ms.toFixed(3) : ms < 100 ? ms.toFixed(1) : Math.round(ms).toLocaleString('en')} ms`;
}

function detailsOf(path: Row['path'], rows: readonly Row[]): string[] {
  const own = rows.filter(row => row.path === path);
  if (own.length === 0) return [];
  const lines = own.map(
    ({ check, outcome, detail, hostMiB }) =>
      `- ${check}: ${WORDS[outcome]}. ${oneLine(detail)}${hostMiB === undefined ? '' : ` (${Math.round(hostMiB)} MiB of host memory)`}`,
  );
  return [`**${path}**`, '', ...lines, ''];
}

/** Puts a detail on one line. Details quote what libraries print, which must not break the page's Markdown. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
