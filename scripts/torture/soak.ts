/** Opening, running and closing models over and over, what is broken as well: memory, threads and descriptors stay where they were. */
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createRandomSource } from '../../src/data/random-source.ts';
import { invariant } from '../../src/errors.ts';
import { loadSae } from '../../src/inference/node.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { floats, node, weight } from '../../test/inference/contract-graphs.ts';
import type { Breach, Torture } from './outcome.ts';

const SMALL = fileURLToPath(new URL('../../models/sae-big.onnx', import.meta.url));

/** Rounds before the first measurement: ONNX Runtime and V8 keep what they take at first. */
const WARM_UP = 60;
const MOST_ROUNDS = 20_000;

/** What memory may grow by, in MB, from the first measurement to the last. */
const GROWTH = 50;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

interface Use {
  readonly megabytes: number;
  readonly descriptors: number;
  readonly threads: number;
}

async function use(): Promise<Use> {
  for (let i = 0; i < 4; i++) {
    collect();
    // What finalizers free comes after.
    await new Promise(resolve => setImmediate(resolve));
  }
  const count = async (path: string) => (await readdir(path).catch(() => [])).length;
  return {
    megabytes: Math.round(process.memoryUsage().rss / 2 ** 20),
    descriptors: await count('/proc/self/fd'),
    threads: await count('/proc/self/task'),
  };
}

/** An SAE of some 13 MB. */
function largeSae(): Uint8Array {
  const random = createRandomSource(9);
  const values = (...shape: number[]) => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.uniform() - 0.5),
  });
  return encodeModel(
    {
      name: 'sae',
      nodes: [
        node('Gemm', ['activations', 'W_enc', 'b_enc'], ['pre']),
        node('Relu', ['pre'], ['features']),
        node('Gemm', ['features', 'W_dec', 'b_dec'], ['reconstruction']),
      ],
      initializers: [
        weight('W_enc', values(256, 6400)),
        weight('b_enc', values(6400)),
        weight('W_dec', values(6400, 256)),
        weight('b_dec', values(256)),
      ],
      inputs: [floats('activations', 'batch', 256)],
      outputs: [floats('reconstruction', 'batch', 256), floats('features', 'batch', 6400)],
    },
    { 'monosemantic.schema': '1', 'monosemantic.kind': 'sparse-autoencoder' },
  );
}

/** The torture of opening and closing models many times. */
export const soak: Torture = {
  name: 'soak',
  share: 2,
  async run({ seconds, progress }) {
    const large = largeSae();
    const bytes = new Uint8Array(await readFile(SMALL));
    const broken = bytes.map((byte, i) => (i > 500 && i < 560 ? 255 - byte : byte));
    const round = async (i: number): Promise<void> => {
      await loadSae(broken).catch(() => undefined);
      const source = [SMALL, bytes, large][i % 3]!;
      const sae = await loadSae(source, { provider: 'cpu', worker: i % 10 === 9 });
      await sae.forward(new Float32Array(8 * sae.dIn).fill(0.5), { shape: [8, sae.dIn] });
      await sae.encode(new Float32Array(8 * sae.dIn).fill(0.5), { shape: [8, sae.dIn], sparse: true });
      await sae.dispose();
    };
    const end = performance.now() + 1000 * seconds;
    let rounds = 0;
    let first: Use | undefined;
    for (; rounds < WARM_UP; rounds++) {
      await round(rounds);
      if (rounds % (WARM_UP / 3) !== WARM_UP / 3 - 1) continue;
      const now = await use();
      // The largest of three measurements, since the allocator does not give memory back at once.
      if (!first || now.megabytes > first.megabytes) first = now;
    }
    invariant(first, 'memory is measured while it warms up');
    let next = 100;
    do {
      await round(rounds++);
      if (rounds < next) continue;
      next *= 2;
      const { megabytes } = await use();
      progress(`${rounds} rounds, ${megabytes} MB (${first.megabytes} after ${WARM_UP})`);
    } while (performance.now() < end && rounds < MOST_ROUNDS);
    const last = await use();

    const breaches: Breach[] = [];
    const cause = `after ${rounds} rounds, from ${WARM_UP} on`;
    if (last.megabytes > first.megabytes + GROWTH) {
      breaches.push({ cause, problem: `memory grew from ${first.megabytes} to ${last.megabytes} MB` });
    }
    for (const what of ['descriptors', 'threads'] as const) {
      // A pool may grow by a thread; a leak grows with the rounds.
      if (last[what] > first[what] + 4)
        breaches.push({ cause, problem: `${what}: ${first[what]}, then ${last[what]}` });
    }
    const said = ({ megabytes, descriptors, threads }: Use) =>
      `${megabytes} MB, ${descriptors} descriptors, ${threads} threads`;
    return [{ what: 'soak: open, run, close', cases: rounds, result: `${said(first)}; then ${said(last)}`, breaches }];
  },
};
