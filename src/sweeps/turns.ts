/** Turns at something that only one can do at a time. */

/**
 * Waits until all earlier callers have given their turn back.
 * @returns a function that gives this turn back; a second call does nothing
 */
export type TakeTurn = () => Promise<() => void>;

/** Turns in the order in which they are asked for. */
export function createTurns(): TakeTurn {
  let last: Promise<void> = Promise.resolve();
  return async () => {
    const before = last;
    let giveBack!: () => void;
    last = new Promise(resolve => {
      giveBack = resolve;
    });
    await before;
    return giveBack;
  };
}
