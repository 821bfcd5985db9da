/**
 * Keeps results as lines of a file. A result that is there is not computed again, so that a table goes on where it was stopped, and several processes may fill one file.
 */
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';

type Settings = Readonly<Record<string, unknown>>;

interface Line {
  readonly name: string;
  readonly settings: Settings;
  readonly result: unknown;
}

/** The results in one file, a line of JSON each. */
export class KeptResults {
  readonly #file: string;
  readonly #used = new Map<string, string>();

  /** @param file where results are looked for, and added; it need not exist. */
  constructor(file: string) {
    this.#file = file;
  }

  /** The result kept under `name`; undefined where there is none, or one of other `settings` than those to be ignored. */
  async get<Result>(name: string, settings: Settings, ignored: readonly string[] = []): Promise<Result | undefined> {
    const text = (of: object): string =>
      JSON.stringify(of, (key, value) => (ignored.includes(key) ? undefined : value));
    const line = (await this.#lines()).findLast(line => line.name === name && text(line.settings) === text(settings));
    if (!line) return undefined;
    this.#used.set(name, JSON.stringify(line));
    return line.result as Result;
  }

  /** The result kept under `name`, else what `make` gives, kept from now on. */
  async keep<Result>(name: string, settings: Settings, make: () => Promise<Result>): Promise<Result> {
    const before = await this.get<Result>(name, settings);
    if (before !== undefined) return before;
    const result = await make();
    const line = JSON.stringify({ name, settings, result });
    await mkdir(dirname(this.#file), { recursive: true });
    // A line that a crash has torn ends where the next begins.
    await appendFile(this.#file, `\n${line}\n`);
    this.#used.set(name, line);
    return result;
  }

  /** The result kept under `name`, else, where it `mayMake` one, what `make` gives. */
  keepIf<Result>(
    mayMake: boolean,
    name: string,
    settings: Settings,
    make: () => Promise<Result>,
  ): Promise<Result | undefined> {
    return mayMake ? this.keep(name, settings, make) : this.get<Result>(name, settings);
  }

  /** All that was got or kept through this object, as the text of such a file. */
  get used(): string {
    return [...this.#used.keys()]
      .sort()
      .map(name => `${this.#used.get(name)!}\n`)
      .join('');
  }

  /** Read anew each time: another process may have added some. */
  async #lines(): Promise<Line[]> {
    const text = await readFile(this.#file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    return text.split('\n').flatMap(line => {
      try {
        return line === '' ? [] : [JSON.parse(line) as Line];
      } catch {
        return []; // Torn by a crash: it is computed again.
      }
    });
  }
}
