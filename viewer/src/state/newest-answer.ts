/**
 * Asks a worker about something that changes faster than it can answer, such as a slider or a text. Only the newest
 * request is run; those that it overtook are dropped.
 */
import { effect, type ReadonlySignal, signal } from '@preact/signals';
import { fail } from './notices.ts';

/** An answer and the request that it belongs to. */
export interface Answer<Request, Result> {
  /** The request itself, as the page made it, and not the copy that the worker gives back. */
  readonly to: Request;
  readonly result: Result;
}

/** The newest answer of a worker, and whether another is to come. */
export interface NewestAnswer<Request, Result> {
  /** The latest answer that came, perhaps to a request of a moment ago. */
  readonly answer: ReadonlySignal<Answer<Request, Result> | undefined>;
  /** Whether a request is running or waits to. */
  isBusy(): boolean;
}

/**
 * Asks for each new value of `request`, one at a time. A failure is shown as an alert that begins with `problem`,
 * unless a newer request waits already.
 */
export function newestAnswer<Request, Result>(
  request: ReadonlySignal<Request | undefined>,
  ask: (request: Request) => Promise<Result>,
  problem: string,
): NewestAnswer<Request, Result> {
  const answer = signal<Answer<Request, Result> | undefined>(undefined);
  let running = false;
  let waiting: Request | undefined;

  const runNewest = async (): Promise<void> => {
    if (running) return;
    running = true;
    try {
      while (waiting) {
        const to = waiting;
        waiting = undefined;
        try {
          answer.value = { to, result: await ask(to) };
        } catch (error) {
          if (to === request.peek()) fail(problem, error);
        }
      }
    } finally {
      running = false;
    }
  };
  effect(() => {
    waiting = request.value;
    if (waiting) void runNewest();
  });
  return { answer, isBusy: () => running || waiting !== undefined };
}
