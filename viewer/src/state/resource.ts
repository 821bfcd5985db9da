/** A signal whose value is worked out asynchronously from other signals. It never holds the answer to another question. */
import { effect, type ReadonlySignal, signal } from '@preact/signals';
import { fail } from './notices.ts';

export interface Question<T> {
  /** What the answer is about: a value about something else is dropped at once, one about the same stays until the next arrives. */
  readonly about: string;
  readonly ask: () => Promise<T>;
  /** Whether the answer is the same however often it is asked. Default false. */
  readonly once?: boolean;
}

/**
 * `question` reads signals and gives what to ask, or undefined where there is nothing to ask. `wanted` says whether anybody looks at
 * the answer: while nobody does, nothing is asked and what is known stays, but for what is about something else.
 */
export function resource<T>(
  what: string,
  question: () => Question<T> | undefined,
  wanted: () => boolean = () => true,
): ReadonlySignal<T | undefined> {
  const value = signal<T | undefined>(undefined);
  let latest = 0;
  let about: string | undefined;
  effect(() => {
    const turn = ++latest;
    const asked = question();
    const known = asked !== undefined && asked.about === about && value.peek() !== undefined;
    if (asked?.about !== about) value.value = undefined;
    about = asked?.about;
    if (!asked || (asked.once && known)) return;
    if (!wanted()) {
      // Asked again once somebody looks.
      if (!known) about = undefined;
      return;
    }
    asked.ask().then(
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
