/** Answers of a worker to what changes faster than it can answer, a slider or a text: only the newest request is run, those it overtook never are. */
import { effect, type ReadonlySignal, signal } from '@preact/signals';
import { fail } from './notices.ts';

export interface Answer<Request, Result> {
  /** The request as the page made it: the worker gives back a copy. */
  readonly to: Request;
  readonly result: Result;
}

export interface NewestAnswer<Request, Result> {
  /** The latest answer that came, perhaps to a request of a moment ago. */
  readonly answer: ReadonlySignal<Answer<Request, Result> | undefined>;
  /** Whether a request is running or waits to. */
  isBusy(): boolean;
}

/** Asks for each new value of `request`, one at a time. What fails is told as `problem`, unless it was overtaken: nobody wants to know of that. */
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
