/** A signal whose value is worked out asynchronously from other signals; answers that come late are dropped. */
import { effect, type ReadonlySignal, signal } from '@preact/signals';
import { fail } from './notices.ts';

/**
 * `ask` reads signals before its first await and gives a promise, or undefined where there is nothing to ask.
 * The value stays the last good one until the next arrives; it is undefined while there is nothing to ask.
 */
export function resource<T>(what: string, ask: () => Promise<T> | undefined): ReadonlySignal<T | undefined> {
  const value = signal<T | undefined>(undefined);
  let latest = 0;
  effect(() => {
    const turn = ++latest;
    const promise = ask();
    if (!promise) {
      value.value = undefined;
      return;
    }
    promise.then(
      answer => {
        if (turn === latest) value.value = answer;
      },
      error => {
        if (turn !== latest) return;
        value.value = undefined;
        fail(what, error);
      },
    );
  });
  return value;
}
