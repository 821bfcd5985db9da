/** The report of a sweep as one HTML page that needs nothing outside itself. */
import type { SweepComparison } from './compare.ts';
import { numberText, settingText } from './setting-text.ts';
import { isBetter, moreIsBetter, type SweepSummary } from './summary.ts';

/** The most rows of a table in the page; the CSV files have all. */
const MOST_ROWS = 2000;

/** What the page shows. */
export interface ReportPage {
  readonly title: string;
  readonly summary: SweepSummary;
  /** How many runs the plan has. */
  readonly planned: number | undefined;
  /** Figures as SVG. */
  readonly figures: readonly string[];
}

/** The page of one sweep. */
export function reportPage({ title, summary, planned, figures }: ReportPage): string {
  const { runs, failures, varied, metrics, configurations, mixed } = summary;
  const total =
    planned === undefined || planned === runs.length ? `${runs.length} runs` : `${runs.length} of ${planned} runs`;
  const seeds = new Set(runs.map(({ settings }) => settings['seed'])).size;
  const facts = [
    total,
    `${configurations.length} ${configurations.length === 1 ? 'configuration' : 'configurations'}`,
    `${seeds} ${seeds === 1 ? 'seed' : 'seeds'}`,
    ...(failures.length > 0 ? [`${failures.length} failed`] : []),
  ];
  const [first] = metrics;
  const parts = [
    `<p class="facts">${facts.map(escapeHtml).join(' · ')}</p>`,
    mixed.length > 0
      ? `<p class="warning">Runs were made under different conditions, which may change their last bits: ${escapeHtml(mixed.join('; '))}.</p>`
      : '',
    configurations.length > 0 ? section('Configurations', configurationTable(summary)) : '',
    figures.length > 0
      ? section('What each setting does', figures.map(svg => `<figure>${svg}</figure>`).join('\n'))
      : '',
    failures.length > 0 ? section('Failures', failureTable(summary)) : '',
    runs.length > 0 ? section('Runs', runTable(summary)) : '',
    section('Settings that all runs share', sharedTable(summary)),
  ];
  const how = `Means over seeds with 95% intervals (Student t). ${
    first === undefined
      ? ''
      : `The best of each configuration is by <code>${escapeHtml(first)}</code>, ${moreIsBetter(first) ? 'more' : 'less'} is better.`
  }${varied.length === 0 ? ' Only the seed varies.' : ''}`;
  return page(title, `<p>${how}</p>\n${parts.join('\n')}`);
}

/** The page that compares two sweeps. */
export function comparisonPage(names: readonly [string, string], comparison: SweepComparison): string {
  const { between, configurations, metrics, onlyA, onlyB } = comparison;
  const [a, b] = names;
  const settings = Object.keys(configurations[0]?.settings ?? {});
  const differ = Object.entries(between).map(([name, [x, y]]) => [name, settingText(x), settingText(y)]);
  const seeds = Math.max(...configurations.flatMap(own => Object.values(own.differences).map(({ n }) => n)), 0);
  const rows = configurations.map(({ settings: own, differences }) => [
    ...settings.map(name => cell(settingText(own[name]))),
    ...metrics.map(metric => {
      const difference = differences[metric];
      if (!difference) return cell('–');
      const { mean, low, high, n } = difference;
      // A difference is more than chance at the level of 95% where its interval does not contain 0.
      const isSure = n > 1 && !isNothing(mean) && (low > 0 || high < 0);
      const better = isSure ? isBetter(metric, mean) : undefined;
      const kind = `${isSure ? ' sure' : ''}${better === undefined ? '' : better ? ' better' : ' worse'}`;
      const range = n > 1 ? `<small>${shown(low)} to ${shown(high)}</small>` : '';
      return `<td class="number${kind}" data-value="${mean}">${shown(mean).startsWith('−') || isNothing(mean) ? '' : '+'}${shown(mean)}${range}</td>`;
    }),
  ]);
  const alone = [...(onlyA > 0 ? [`${onlyA} in A alone`] : []), ...(onlyB > 0 ? [`${onlyB} in B alone`] : [])].join(
    ', ',
  );
  const facts = [
    `${configurations.length} ${configurations.length === 1 ? 'configuration' : 'configurations'} in both`,
    ...(alone === '' ? [] : [alone]),
    `${seeds} common ${seeds === 1 ? 'seed' : 'seeds'}`,
  ];
  return page(
    `${a} and ${b}`,
    `<p>A is <code>${escapeHtml(a)}</code>, B is <code>${escapeHtml(b)}</code>. Differences are B − A over the seeds that both have, with 95% intervals (Student t of the pairs). Those whose interval has no 0 in it are bold: <span class="better">green</span> where B is better, <span class="worse">red</span> where it is worse.</p>
<p class="facts">${facts.map(escapeHtml).join(' · ')}</p>
${
  differ.length > 0
    ? section(
        'Where the two differ as a whole',
        table(
          ['setting', 'A', 'B'],
          differ.map(row => row.map(text => `<td>${escapeHtml(text)}</td>`)),
        ),
      )
    : ''
}
${section('Differences', rows.length > 0 ? table([...settings, ...metrics], rows) : '<p>They have no configuration in common.</p>')}`,
  );
}

/** Smaller differences come from rounding. */
const ROUNDING = 1e-12;

function isNothing(difference: number): boolean {
  return Math.abs(difference) < ROUNDING;
}

/** A number as text, with a proper minus sign; 0 for a number that comes from rounding. */
function shown(value: number): string {
  return isNothing(value) ? '0' : numberText(value).replace(/^-/, '−');
}

function configurationTable({ varied, metrics, configurations }: SweepSummary): string {
  const [first] = metrics;
  const means = configurations.flatMap(own =>
    first !== undefined && own.metrics[first] ? [own.metrics[first].mean] : [],
  );
  const best = first !== undefined && moreIsBetter(first) ? Math.max(...means) : Math.min(...means);
  const rows = configurations.slice(0, MOST_ROWS).map(({ settings, metrics: own, best: run, runs }) => [
    ...varied.map(name => cell(settingText(settings[name]))),
    cell(String(runs.length), 'number'),
    ...metrics.map(metric => {
      const interval = own[metric];
      if (!interval) return cell('–', 'number');
      const { mean, low, high, n } = interval;
      const range = n > 1 ? `<small>${shown(low)} to ${shown(high)}</small>` : '';
      const isBest = metric === first && mean === best && configurations.length > 1;
      return `<td class="number${isBest ? ' best' : ''}" data-value="${mean}">${shown(mean)}${range}</td>`;
    }),
    `<td><code title="${run.id}">seed ${escapeHtml(settingText(run.settings['seed']))}</code></td>`,
  ]);
  return table([...varied, 'seeds', ...metrics, 'best run'], rows) + cut(configurations.length);
}

function runTable({ varied, metrics, runs }: SweepSummary): string {
  const rows = runs
    .slice(0, MOST_ROWS)
    .map(({ id, settings, metrics: own }) => [
      ...varied.map(name => cell(settingText(settings[name]))),
      cell(settingText(settings['seed']), 'number'),
      ...metrics.map(metric => `<td class="number" data-value="${own[metric] ?? ''}">${numberText(own[metric])}</td>`),
      `<td><code>${escapeHtml(id)}</code></td>`,
    ]);
  return `<details${runs.length <= 50 ? ' open' : ''}><summary>${runs.length} runs</summary>${table([...varied, 'seed', ...metrics, 'run'], rows)}${cut(runs.length)}</details>`;
}

function failureTable({ varied, failures }: SweepSummary): string {
  const rows = failures
    .slice(0, MOST_ROWS)
    .map(({ id, settings, error, message }) => [
      ...varied.map(name => cell(settingText(settings[name]))),
      cell(settingText(settings['seed']), 'number'),
      `<td><strong>${escapeHtml(error)}</strong> ${escapeHtml(message)}</td>`,
      `<td><code>${escapeHtml(id)}</code></td>`,
    ]);
  return table([...varied, 'seed', 'message', 'run'], rows) + cut(failures.length);
}

function sharedTable({ shared }: SweepSummary): string {
  return table(
    ['setting', 'value'],
    Object.entries(shared).map(([name, value]) => [cell(name), cell(settingText(value))]),
  );
}

function cut(rows: number): string {
  return rows > MOST_ROWS ? `<p>The first ${MOST_ROWS} of ${rows}; the CSV file beside this page has all.</p>` : '';
}

function cell(text: string, kind = ''): string {
  const isNumber = kind === 'number' || (text !== '' && Number.isFinite(Number(text)));
  return `<td${isNumber ? ` class="number" data-value="${escapeHtml(text)}"` : ''}>${escapeHtml(text)}</td>`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  // A column of numbers has its name at the right, above them.
  const isNumber = header.map((_, i) => rows.length > 0 && rows.every(row => row[i]!.startsWith('<td class="number')));
  const head = header
    .map(
      (name, i) =>
        `<th scope="col"${isNumber[i] ? ' class="number"' : ''}><button type="button">${escapeHtml(name)}</button></th>`,
    )
    .join('');
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>
${rows.map(row => `<tr>${row.join('')}</tr>`).join('\n')}
</tbody></table></div>`;
}

function section(title: string, body: string): string {
  return `<section><h2>${escapeHtml(title)}</h2>\n${body}\n</section>`;
}

function escapeHtml(words: string): string {
  return words.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; font: 15px/1.5 Inter, system-ui, sans-serif; color: #1b1f24; background: #fff; }
h1 { font-size: 1.6rem; margin-bottom: .25rem; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .75rem; }
.facts { font-weight: 600; }
.warning { background: #fff4d6; border-left: 4px solid #b7791f; padding: .5rem .75rem; }
/* A shadow at the side where a wide table goes on. */
.scroll { overflow-x: auto; background: linear-gradient(90deg, #fff 2rem, #fff0) left, linear-gradient(270deg, #fff 2rem, #fff0) right, linear-gradient(90deg, #0003, #0000) left, linear-gradient(270deg, #0003, #0000) right; background-repeat: no-repeat; background-size: 4rem 100%, 4rem 100%, .8rem 100%, .8rem 100%; background-attachment: local, local, scroll, scroll; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid #e3e6ea; }
th { border-bottom: 2px solid #9aa3ad; white-space: nowrap; }
th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
th button:hover, th button:focus-visible { text-decoration: underline; }
th[aria-sort] button::after { content: ' ▲'; }
th[aria-sort=descending] button::after { content: ' ▼'; }
th.number, td.number { text-align: right; white-space: nowrap; }
td small { display: block; color: #57606a; }
td.best { background: #dff3e4; font-weight: 600; }
td.sure { font-weight: 700; }
.better { background: #dff3e4; }
.worse { background: #fde3e1; }
span.better, span.worse { padding: 0 .3em; }
code { font: .85em ui-monospace, monospace; }
figure { margin: 1.5rem 0; overflow-x: auto; }
details summary { cursor: pointer; margin-bottom: .5rem; }
</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
${body}
<script>
// A click on a header sorts its table.
for (const button of document.querySelectorAll('th button')) button.addEventListener('click', () => {
  const header = button.parentElement;
  const column = header.cellIndex;
  const isAscending = header.ariaSort !== 'ascending';
  for (const other of header.parentElement.cells) other.removeAttribute('aria-sort');
  header.ariaSort = isAscending ? 'ascending' : 'descending';
  const body = header.closest('table').tBodies[0];
  const key = row => { const cell = row.cells[column]; return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value); };
  const order = (a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b)));
  const rows = [...body.rows].sort((a, b) => (isAscending ? 1 : -1) * order(key(a), key(b)));
  body.append(...rows);
});
</script>
</body>
</html>
`;
}
