/** `view`: the viewer, served on this machine until Ctrl-C. */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ReportOptions } from '../options.ts';
import { report } from '../report.ts';
import { serveViewer } from '../serve-viewer.ts';
import type { Terminal } from '../terminal.ts';

export interface ViewOptions extends ReportOptions {
  readonly port?: number;
}

/** Where `npm run build:viewer` puts it: three folders up from here, in the sources and in the build alike. */
const VIEWER = fileURLToPath(new URL('../../../viewer/dist/', import.meta.url));

export async function view(files: readonly string[], options: ViewOptions, terminal: Terminal): Promise<void> {
  const { port = 0 } = options;
  const server = await serveViewer({ folder: VIEWER, port, files });
  report({ url: server.url }, `${server.url}\nCtrl-C ends it.`, options, terminal);
  const { signal } = terminal;
  if (signal && !signal.aborted) await once(signal, 'abort');
  await server.close();
}
