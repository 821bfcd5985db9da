/** What the page tells the person: one alert for what failed, one status line for what was done. */
import { signal } from '@preact/signals';

export const alertText = signal<string | undefined>(undefined);
export const statusText = signal('');

/** One readable sentence of an error, without a stack or a line break. */
export function sentenceOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text
    .split('\n', 1)[0]!
    .trim()
    .replace(/^(Uncaught )?Error:\s*/, '');
  const short = line.length > 320 ? `${line.slice(0, 317)}…` : line;
  return short === '' ? 'Something failed and gave no reason.' : short;
}

export function fail(what: string, error: unknown): void {
  alertText.value = `${what}: ${sentenceOf(error)}`;
}

export function say(text: string): void {
  statusText.value = text;
}
