/** Opens, runs and closes an SAE so many times, and tells the memory after each: a process of its own (large-sae.ts). */
import { loadSae } from '../../src/inference/node.ts';

const [path = '', rounds, worker] = process.argv.slice(2);

async function round(): Promise<void> {
  const sae = await loadSae(path, { provider: 'cpu', worker: worker === 'true' });
  await sae.forward(new Float32Array(16 * sae.dIn).fill(0.5), { shape: [16, sae.dIn] });
  await sae.dispose();
}

async function megabytes(): Promise<number> {
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.();
    // What finalizers free comes after.
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  return Math.round(process.memoryUsage().rss / 2 ** 20);
}

const after: number[] = [];
for (let i = 0; i < Number(rounds); i++) {
  await round();
  after.push(await megabytes());
}
process.send!(after);
