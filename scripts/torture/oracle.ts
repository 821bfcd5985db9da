/** Python, asked about files one after another. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('oracle.py', import.meta.url));

/** A Python process that reads files with the libraries of others. */
export class Oracle {
  readonly #python: string;
  #child: ChildProcessWithoutNullStreams | undefined;
  #waiting: ((line: string | undefined) => void) | undefined;

  constructor(python: string) {
    this.#python = python;
  }

  #line(): Promise<string | undefined> {
    return new Promise(resolve => {
      this.#waiting = resolve;
    });
  }

  async #start(): Promise<ChildProcessWithoutNullStreams> {
    const child = spawn(this.#python, [SCRIPT], { stdio: 'pipe' });
    const answer = (line: string | undefined): void => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.(line);
    };
    createInterface({ input: child.stdout }).on('line', answer);
    child.stderr.resume();
    child.stdin.on('error', () => undefined);
    child.on('error', () => answer(undefined)).on('exit', () => answer(undefined));
    this.#child = child;
    if ((await this.#line()) !== 'ready') throw new Error(`${this.#python} does not import numpy`);
    return child;
  }

  /** `same`, or what is different; a file that ends Python or takes it more than a minute is different. */
  async ask(oracle: string, path: string): Promise<string> {
    const child = this.#child ?? (await this.#start());
    const answered = this.#line();
    child.stdin.write(`${JSON.stringify({ oracle, path })}\n`);
    const clock = setTimeout(() => child.kill('SIGKILL'), 60_000);
    const line = await answered;
    clearTimeout(clock);
    if (line !== undefined) return (JSON.parse(line) as { verdict: string }).verdict;
    this.#child = undefined;
    return 'it ends Python, or takes it more than a minute';
  }

  close(): void {
    this.#child?.stdin.end();
  }
}
