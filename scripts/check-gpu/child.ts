/** One check of one path, in a process that may crash or hang; tells what it finds by `process.send`. Run by check-gpu.ts alone. */
import { EngineUnavailableError, MissingPackageError } from '../../src/errors.ts';
import { CHECKS, LOADS } from './checks/index.ts';
import type { Finding } from './checks/report.ts';
import { expectedLosses } from './checks/training.ts';
import { GPU_PATHS } from './paths.ts';
import type { PathName } from './row.ts';
import { prepareVulkan } from './vulkan.ts';
import { TRAINING_WORKS } from './works.ts';

/** What the process is asked for, as JSON in its first argument. */
export type ChildRequest =
  | { readonly expectedLossesOf: readonly string[] }
  | {
      readonly path: PathName;
      readonly check: string;
      readonly software: boolean;
      readonly expectedLosses: Readonly<Record<string, readonly number[]>>;
      readonly cardMiB?: number;
    };

/** A message from the process, by `process.send`. */
export type ChildMessage =
  | { readonly losses: Readonly<Record<string, readonly number[]>> }
  | { readonly finding: Finding }
  | { readonly hostMiB: number };

const request = JSON.parse(process.argv[2]!) as ChildRequest;
if ('expectedLossesOf' in request) {
  // Each work is sent by itself, so that finished ones arrive even if a later one fails.
  for (const work of TRAINING_WORKS.filter(({ name }) => request.expectedLossesOf.includes(name))) {
    await send({ losses: await expectedLosses([work]) });
  }
} else {
  await runCheck(request);
}
await send({ hostMiB: process.resourceUsage().maxRSS / 1024 });
process.exit(0);

async function runCheck({ path, check: name, ...context }: Extract<ChildRequest, { path: unknown }>) {
  const sent: Promise<void>[] = [];
  const report = (finding: Finding): void => void sent.push(send({ finding }));
  try {
    const note = GPU_PATHS[path].vulkan ? await prepareVulkan(context.software) : '';
    const check = [LOADS, ...CHECKS].find(candidate => candidate.name === name)!;
    await check.run({
      ...context,
      path,
      report: finding =>
        report(check === LOADS && note !== '' ? { ...finding, detail: `${finding.detail} (${note})` } : finding),
    });
  } catch (error) {
    const isMissing = error instanceof EngineUnavailableError || error instanceof MissingPackageError;
    const message = error instanceof Error ? error.message.split('\n')[0]! : String(error);
    report({ check: name, outcome: isMissing && name === LOADS.name ? 'unavailable' : 'failed', detail: message });
  }
  await Promise.all(sent);
}

function send(message: ChildMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send!(message, (error: Error | null) => (error ? reject(error) : resolve()));
  });
}
