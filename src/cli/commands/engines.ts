/** `engines`: what this machine can train on, each one really tried and timed. */
import { type EngineProbe, probeEngines, timeStep } from '../../engines/available-engines.ts';
import { createEngine } from '../../engines/create-engine.ts';
import { STANDARD_STEP, standardStep } from '../../training/standard-step.ts';
import type { ReportOptions } from '../options.ts';
import { inColumns, report } from '../report.ts';
import type { Terminal } from '../terminal.ts';

/** Runs `monosemantic engines`. */
export async function engines(options: ReportOptions, terminal: Terminal): Promise<void> {
  const rows = [];
  // One after another, because engines that run together would slow each other down.
  for (const probe of await probeEngines()) rows.push(await timed(probe));
  const auto = (await createEngine()).name;
  const lines = inColumns([
    ['', 'engine', 'on', 'ms/step', ''],
    ...rows.map(({ engine, provider, works, msPerStep, detail }) => [
      works ? 'works' : '–',
      engine,
      provider,
      msPerStep?.toPrecision(2) ?? '',
      detail,
    ]),
  ]);
  const legend = `ms/step: ${STANDARD_STEP}`;
  report(
    { auto, standardStep: STANDARD_STEP, engines: rows },
    [...lines, legend, `auto takes ${auto}`].join('\n'),
    options,
    terminal,
  );
}

interface Row {
  readonly engine: string;
  readonly provider: string;
  readonly works: boolean;
  readonly msPerStep?: number;
  readonly detail: string;
}

async function timed({ engine, provider, ready, detail }: EngineProbe): Promise<Row> {
  if (!ready) return { engine, provider, works: false, detail };
  try {
    return { engine, provider, works: true, msPerStep: await timeStep(ready, standardStep()), detail };
  } catch (error) {
    return { engine, provider, works: false, detail: `fails in the standard step: ${(error as Error).message}` };
  }
}
