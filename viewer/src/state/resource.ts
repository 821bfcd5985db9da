/**
 * A signal whose value is computed asynchronously from other signals. It never holds the answer to another question
 * than the present one.
 */
import { effect, type ReadonlySignal, signal } from '@preact/signals';
import { fail } from './notices.ts';

/** A question that a resource asks. */
export interface Question<T> {
  /**
   * The subject of the answer. An answer on another subject is dropped at once; an older answer on the same subject
   * stays until the next one arrives.
   */
  readonly about: string;
  readonly ask: () => Promise<T>;
  /** Whether the answer is the same however often it is asked. Default false. */
  readonly once?: boolean;
}

/**
 * Makes a signal that holds the answer to a question.
 * @param what - What an alert says when asking fails.
 * @param question - Reads signals and gives the question, or undefined where there is nothing to ask.
 * @param wanted - Whether the answer is shown anywhere. While it is not, nothing is asked, and a known answer stays
 *   unless it is on another subject.
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
      // It is asked again once the answer is shown.
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
