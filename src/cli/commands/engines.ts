/** `engines`: what this machine can train on, each one really tried. */
import { probeEngines } from '../../engines/available-engines.ts';
import { createEngine } from '../../engines/create-engine.ts';
import type { ReportOptions } from '../options.ts';
import { inColumns, report } from '../report.ts';
import type { Terminal } from '../terminal.ts';

export async function engines(options: ReportOptions, terminal: Terminal): Promise<void> {
  const probes = (await probeEngines()).map(({ engine, provider, ready, detail }) => ({
    engine,
    provider,
    works: ready !== undefined,
    detail,
  }));
  const auto = (await createEngine()).name;
  const lines = inColumns(
    probes.map(({ engine, provider, works, detail }) => [works ? 'works' : '–', engine, provider, detail]),
  );
  report({ auto, engines: probes }, [...lines, `auto takes ${auto}`].join('\n'), options, terminal);
}
