/** `activations`: rows of a hidden tensor, written to disk. */
import { FileFormatError, UsageError } from '../../errors.ts';
import { earlierRun, writeActivations } from '../../host/activation-writer.ts';
import { InterruptedError } from '../failure.ts';
import type { HostDataOptions } from '../host-options.ts';
import { openHostData } from '../open-host.ts';
import type { ReportOptions } from '../options.ts';
import { report } from '../report.ts';
import { startRunProgress } from '../run-progress.ts';
import type { Terminal } from '../terminal.ts';

/** Options of `monosemantic activations`. */
export interface ActivationsOptions extends HostDataOptions, ReportOptions {
  readonly output: string;
  readonly dtype?: 'float32' | 'float16';
  readonly dropFirst?: number;
  readonly dropNormAbove?: number;
  readonly resume?: boolean;
  readonly overwrite?: boolean;
}

/** Runs `monosemantic activations`. */
export async function activations(file: string, options: ActivationsOptions, terminal: Terminal): Promise<void> {
  const { output, dtype, dropFirst, dropNormAbove, resume, overwrite } = options;
  if (!output.endsWith('.npy')) throw new UsageError(`--output ${output}: expected a name that ends in .npy`);
  const earlier = await earlierRun(output);
  if (resume && !earlier.finished && !earlier.unfinished) {
    throw new FileFormatError('there is no earlier run to resume', { file: output });
  }
  const { host, data, rows, close } = await openHostData(file, options, terminal);
  const started = performance.now();
  let progress: ReturnType<typeof startRunProgress> | undefined;
  let before = 0;
  try {
    const record = await writeActivations(host, data, {
      ...rows,
      output,
      dtype,
      dropFirst,
      dropNormAbove,
      resume,
      overwrite,
      onProgress: ({ samples, rows: count, resumedAt }) => {
        if (!progress) {
          progress = startRunProgress(data.samples, resumedAt, terminal);
          before = resumedAt;
          if (resumedAt > 0) terminal.warn(`going on at sample ${resumedAt}`);
        }
        progress.update(samples, count);
      },
    });
    progress?.stop();
    const seconds = (performance.now() - started) / 1000;
    const dropped = record.dropped_by_norm > 0 ? `, ${record.dropped_by_norm} rows of too large a norm left out` : '';
    const overflow =
      record.overflowed > 0 ? `; ${record.overflowed} numbers beyond float16's range became infinite` : '';
    report(
      { ...record, output, seconds, resumed_at: before },
      `${output}: ${record.tensor} [${record.rows}, ${record.width}] ${record.dtype}${dropped}${overflow}; ${Object.values(
        record.files,
      )
        .filter(name => !output.endsWith(name))
        .join(', ')} beside it; ${seconds.toFixed(1)} s`,
      options,
      terminal,
    );
  } catch (error) {
    progress?.stop();
    if (terminal.signal?.aborted) throw new InterruptedError('interrupted; --resume goes on from here');
    throw error;
  } finally {
    await close();
  }
}
