/** `view`: the viewer, served on this machine until Ctrl-C, or written as one HTML file with the models inside. */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ReportOptions } from '../options.ts';
import { report } from '../report.ts';
import { serveViewer } from '../serve-viewer.ts';
import type { Terminal } from '../terminal.ts';
import { writeViewerPage } from '../write-viewer-page.ts';

/** Options of `monosemantic view`. */
export interface ViewOptions extends ReportOptions {
  readonly port?: number;
  /** Rows to run through the autoencoder. */
  readonly activations?: readonly string[];
  /** Labels or tokens of the rows. */
  readonly labels?: string;
  /** Writes one HTML file instead of serving. */
  readonly output?: string;
}

/**
 * The folder into which `npm run build:viewer` writes: three folders up from here, in the sources and in the build
 * alike.
 */
const VIEWER = fileURLToPath(new URL('../../../viewer/dist/', import.meta.url));

/** Runs `monosemantic view`. */
export async function view(files: readonly string[], options: ViewOptions, terminal: Terminal): Promise<void> {
  const { port = 0, activations = [], labels, output } = options;
  const all = [...files, ...activations, ...(labels ? [labels] : [])];
  if (output !== undefined) {
    const bytes = await writeViewerPage(output, all, VIEWER);
    report(
      { output, bytes },
      `${output}: ${(bytes / 1e6).toFixed(1)} MB, opens in any browser without a network.`,
      options,
      terminal,
    );
    return;
  }
  const server = await serveViewer({ folder: VIEWER, port, files: all });
  report({ url: server.url }, `${server.url}\nCtrl-C ends it.`, options, terminal);
  const { signal } = terminal;
  if (signal && !signal.aborted) await once(signal, 'abort');
  await server.close();
}
