/** How much of the card's memory a check takes: what nvidia-smi shows, twice a second. */
import { askNvidiaSmi } from '../cuda/driver.ts';

const INTERVAL_MS = 500;

/** Begins to watch; `stop` gives the largest growth in MiB, or `undefined` where it cannot be seen. */
export async function watchMemory(hasCard: boolean): Promise<{ stop(): number | undefined }> {
  const before = hasCard ? await usedMiB() : undefined;
  if (before === undefined) return { stop: () => undefined };
  let largest = before;
  let isAsking = false;
  const timer = setInterval(async () => {
    if (isAsking) return;
    isAsking = true;
    largest = Math.max(largest, (await usedMiB()) ?? 0);
    isAsking = false;
  }, INTERVAL_MS);
  return {
    stop() {
      clearInterval(timer);
      return largest - before;
    },
  };
}

/** Of the first card, which is the one that is used. */
async function usedMiB(): Promise<number | undefined> {
  const printed = await askNvidiaSmi('memory.used').catch(() => '');
  const used = Number.parseFloat(printed);
  return Number.isNaN(used) ? undefined : used;
}
