/** The messages to the person: one alert for something that failed, one status line for something that was done. */
import { signal } from '@preact/signals';

/** The alert; undefined while there is none. */
export const alertText = signal<string | undefined>(undefined);
/** The status line, which screen readers read out when it changes. */
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

/** Shows an alert: `what` failed, and the reason in one sentence. */
export function fail(what: string, error: unknown): void {
  alertText.value = `${what}: ${sentenceOf(error)}`;
}

/** Shows `text` in the status line. */
export function say(text: string): void {
  statusText.value = text;
}
