/** Turns at something that one does at a time. */

/**
 * Waits until all who asked before have given their turn back.
 * @returns gives this one back; again does nothing
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
