/** A signal whose value is worked out asynchronously from other signals. It never holds the answer to another question. */
import { effect, type ReadonlySignal, signal } from '@preact/signals';
import { fail } from './notices.ts';

export interface Question<T> {
  /** What the answer is about: a value about something else is dropped at once, one about the same stays until the next arrives. */
  readonly about: string;
  readonly ask: () => Promise<T>;
}

/** `question` reads signals and gives what to ask, or undefined where there is nothing to ask. */
export function resource<T>(what: string, question: () => Question<T> | undefined): ReadonlySignal<T | undefined> {
  const value = signal<T | undefined>(undefined);
  let latest = 0;
  let about: string | undefined;
  effect(() => {
    const turn = ++latest;
    const asked = question();
    if (asked?.about !== about) value.value = undefined;
    about = asked?.about;
    asked?.ask().then(
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
