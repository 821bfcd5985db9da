/** Many calls at once on several models, some of which are disposed of meanwhile: each ends, with the right numbers or DisposedError. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { createRandomSource } from '../../src/data/random-source.ts';
import { type LoadedSae, loadSae } from '../../src/inference/node.ts';
import type { Breach, Torture } from './outcome.ts';

const MODELS = ['sae.onnx', 'sae-big.onnx', 'sae-big-relu.onnx', 'sae-big-batchtopk.onnx'].map(name =>
  fileURLToPath(new URL(`../../models/${name}`, import.meta.url)),
);
const AT_ONCE = 64;

/** No call of these sizes takes a second alone; 64 of them on a busy machine take less than this. */
const DEADLINE_MS = 120_000;

const pending = Symbol('pending');

async function settled<T>(work: Promise<T>): Promise<T | typeof pending> {
  let clock: NodeJS.Timeout | undefined;
  const late = new Promise<typeof pending>(resolve => {
    clock = setTimeout(resolve, DEADLINE_MS, pending);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(clock));
}

/** The torture of parallel calls. */
export const parallelEncodes: Torture = {
  name: 'parallel',
  share: 2,
  async run({ seconds, seed, progress }) {
    const random = createRandomSource(seed);
    const breaches: Breach[] = [];
    const end = performance.now() + 1000 * seconds;
    let [cases, right, disposed, rounds] = [0, 0, 0, 0];
    do {
      const where = `seed ${seed}, round ${rounds}`;
      const opened: LoadedSae[] = [];
      for (const [i, path] of MODELS.entries()) {
        // By path and as bytes, here and in a worker.
        const source = i % 2 === 0 ? path : new Uint8Array(await readFile(path));
        opened.push(await loadSae(source, { provider: 'cpu', worker: (i + rounds) % 2 === 1 }));
      }
      const calls = Array.from({ length: AT_ONCE }, () => {
        const sae = opened[random.integer(opened.length)]!;
        const rows = [0, 1, 7, 100, 1000, 5000][random.integer(6)]!;
        const data = Float32Array.from({ length: rows * sae.dIn }, () => random.normal());
        return { sae, data, shape: [rows, sae.dIn], sparse: random.integer(2) === 0 };
      });
      const alone = await Promise.all(MODELS.map(path => loadSae(path, { provider: 'cpu' })));
      const running = calls.map(({ sae, data, shape, sparse }) =>
        sparse
          ? sae.encode(data.slice(), { shape, sparse: true }).then(features => features.values)
          : sae.encode(data.slice(), { shape }).then(features => features.data.filter(value => value !== 0)),
      );
      const results = running.map(call => settled(call.catch((error: Error) => error)));
      // Half of the models are disposed of while they are asked. What was asked before must still be answered.
      const disposals = opened
        .filter(() => random.integer(2) === 0)
        .map(sae => settled(sae.dispose().then(() => 'done')));
      const late = opened.map(sae => settled(sae.encode([new Array(sae.dIn).fill(0)]).catch((error: Error) => error)));
      for (const [i, result] of (await Promise.all(results)).entries()) {
        const { sae, data, shape } = calls[i]!;
        cases++;
        if (result === pending) breaches.push({ cause: `${where}, call ${i}`, problem: 'it never ended' });
        else if (result instanceof Error)
          breaches.push({ cause: `${where}, call ${i}`, problem: String(result.stack) });
        else {
          const expected = await alone[opened.indexOf(sae)]!.encode(data, { shape, sparse: true });
          const isRight =
            result.length === expected.values.length &&
            result.every((value, at) => Math.abs(value - expected.values[at]!) <= 1e-5 * (1 + Math.abs(value)));
          if (isRight) right++;
          else breaches.push({ cause: `${where}, call ${i} of ${shape[0]} rows`, problem: 'other numbers than alone' });
        }
      }
      for (const result of await Promise.all(late)) {
        cases++;
        if (result === pending) breaches.push({ cause: where, problem: 'a call after dispose never ended' });
        else if (!(result instanceof Error)) right++;
        else if (result.name === 'DisposedError') disposed++;
        else breaches.push({ cause: where, problem: `after dispose: ${result.stack}` });
      }
      for (const result of await Promise.all([
        ...disposals,
        ...[...opened, ...alone].map(sae => settled(sae.dispose().then(() => 'done'))),
      ])) {
        if (result === pending) breaches.push({ cause: where, problem: 'dispose never ended' });
      }
      rounds++;
      progress(`${rounds} rounds of ${AT_ONCE}`);
    } while (performance.now() < end);
    return [
      {
        what: `parallel: ${AT_ONCE} encodes at once`,
        cases,
        result: `${right} right, ${disposed} after dispose`,
        breaches,
      },
    ];
  },
};
