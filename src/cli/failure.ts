/** Turns an error into the line that a person reads and the exit status that a script reads. */
import { CommanderError } from 'commander';
import { UsageError } from '../errors.ts';

/** Thrown where a person ended long work. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

/** The exit status for an error: 2 for wrong usage, 130 where the person ended the work (as in shells), 1 for any other. */
export function exitStatusOf(error: unknown): 1 | 2 | 130 {
  if (error instanceof CommanderError || error instanceof UsageError) return 2;
  return error instanceof InterruptedError ? 130 : 1;
}

/** One line that says what went wrong; with `debug` the stack and its causes below it. */
export function describeFailure(error: unknown, debug: boolean): string {
  const line = `monosemantic: ${inOneLine(messageOf(error))}`;
  if (!debug || !(error instanceof Error)) return line;
  const causes: string[] = [];
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
    causes.push(cause.stack ?? cause.message);
  return [line, ...causes].join('\n');
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const memory = memoryAskedFor(error);
  if (memory !== undefined) return memory;
  const missing = /^Cannot find package '((?:@[^/']+\/)?[^/']+)/.exec(error.message)?.[1];
  return missing === undefined
    ? error.message || error.name
    : `this needs the package ${missing}, which is not installed: npm install ${missing}`;
}

/** The message of V8 about an array that does not fit into memory, in plain words; `undefined` for other errors. */
function memoryAskedFor(error: Error): string | undefined {
  if (!(error instanceof RangeError)) return undefined;
  const length = /^Invalid typed array length: (\d+)$/.exec(error.message)?.[1];
  if (length !== undefined) return `this needs an array of ${length} numbers, more than one array can hold`;
  return error.message === 'Array buffer allocation failed' ? 'this needs more memory than there is' : undefined;
}

function inOneLine(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(/:\n\s*/g, ': ')
    .replace(/\s*\n\s*/g, '; ')
    .replace(/; \(/g, ' (');
}
