/** A program that answers each line of JSON on its standard input with one on its standard output. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A program that is running and answers questions. */
export interface LineProcess {
  ask<Answer>(request: unknown): Promise<Answer>;
  end(): void;
}

/** Options of `startPython`. */
export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Ends the program at once. Questions that are still open are then rejected. */
  readonly signal?: AbortSignal;
  /** Called with the reason where the program does not answer. Default: writes a line to standard error. */
  readonly onProblem?: (reason: string) => void;
  /** Called with the program's answer to `probe`. */
  readonly onAnswer?: (answer: unknown) => void;
}

/**
 * Starts `script` with `python`. Gives undefined, after `onProblem` was told the reason, where the program ends before
 * it answers `probe`.
 */
export async function startPython(
  python: string,
  script: string,
  probe: unknown,
  {
    env = process.env,
    signal,
    onProblem = reason => console.error(`without PyTorch: ${python}: ${reason}`),
    onAnswer,
  }: StartOptions = {},
): Promise<LineProcess | undefined> {
  const child = spawn(python, [script], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env,
    killSignal: 'SIGKILL',
    ...(signal && { signal }),
  });
  let problem = '';
  child.on('error', error => {
    problem = error.message;
  });
  child.stderr.on('data', (text: Buffer) => {
    problem = text.toString().trim().split('\n').at(-1) ?? '';
  });
  child.stdin.on('error', () => {});
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const ask = async <Answer>(request: unknown): Promise<Answer> => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const { done, value } = await lines.next();
    if (done) throw new Error(problem);
    return JSON.parse(value) as Answer;
  };
  try {
    // The probe is always asked, because some programs need it to set themselves up.
    const answer = await ask(probe);
    onAnswer?.(answer);
  } catch (error) {
    onProblem((error as Error).message);
    return undefined;
  }
  return { ask, end: () => child.stdin.end() };
}
