/** `engines`: what this machine can run on. */
import { createEngine } from '../../engines/create-engine.ts';
import type { ReportOptions } from '../options.ts';
import type { Terminal } from '../terminal.ts';

export async function engines(_options: ReportOptions, _terminal: Terminal): Promise<void> {
  await createEngine();
}
