/** A program that answers each line of JSON on its standard input with one on its standard output. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface LineProcess {
  ask<Answer>(request: unknown): Promise<Answer>;
  end(): void;
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Ends it at once; what it is asked then fails. */
  readonly signal?: AbortSignal;
  /** Is told why it does not answer. Default: a line on standard error. */
  readonly onProblem?: (reason: string) => void;
  /** Is given what it answers to `probe`. */
  readonly onAnswer?: (answer: unknown) => void;
}

/** Starts `script` with `python`; undefined, with the reason told, where it ends before it answers `probe`. */
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
    // Asked whether or not anybody wants the answer: some programs are set up by it.
    const answer = await ask(probe);
    onAnswer?.(answer);
  } catch (error) {
    onProblem((error as Error).message);
    return undefined;
  }
  return { ask, end: () => child.stdin.end() };
}
