import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { activationFiles } from '../../src/data/activation-files.ts';
import { randomStream } from '../../src/data/streams.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { type ActivationSaeSettings, runActivationSae } from '../../src/experiments/activation-sae-run.ts';
import type { ExperimentContext } from '../../src/experiments/context.ts';
import { writeNpy } from '../../src/files/npy.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';

const WIDTH = 8;

describe('an SAE trained on files', () => {
  let folder: string;
  let engine: Engine;
  let settings: ActivationSaeSettings;

  before(async () => {
    engine = createOnnxRuntimeEngine(await loadNodeRuntime());
    folder = await mkdtemp(join(tmpdir(), 'sae-from-files-'));
    // Each row is one of eight axes, of random length, and a little noise: a dictionary of eight explains nearly all.
    const random = randomStream(1, 0);
    for (let file = 0; file < 3; file++) {
      const rows = 3000 + file;
      const data = Float32Array.from({ length: rows * WIDTH }, () => 0.01 * random.normal());
      for (let row = 0; row < rows; row++) data[row * WIDTH + random.integer(WIDTH)]! += 1 + random.uniform();
      await writeFile(join(folder, `acts-${file}.npy`), writeNpy({ data, shape: [rows, WIDTH] }));
    }
    settings = {
      data: activationFiles([join(folder, 'acts-*.npy')], { shuffleBuffer: 1000 }),
      holdOut: 0.05,
      dSae: 16,
      activation: { kind: 'topk', k: 1 },
      decoder: 'reparametrise',
      start: { directions: 'spread' },
      batchSize: 128,
      steps: 300,
      learningRate: 0.005,
      seed: 2,
    };
  });

  after(() => rm(folder, { recursive: true }));

  async function contextOf(name: string, options: Partial<ExperimentContext> = {}): Promise<ExperimentContext> {
    const own = join(folder, name);
    await mkdir(own, { recursive: true });
    const quiet = { log: () => {}, progress: () => () => {}, draw: async () => {} };
    return { folder: own, engine, checkpointEvery: 100, resume: false, ...quiet, ...options } as ExperimentContext;
  }

  it('explains rows that it never saw, and writes what it found', async () => {
    const context = await contextOf('whole');
    const { after, file } = await runActivationSae(settings, context);
    // A twentieth of 3000 + 3001 + 3002 rows.
    expect(after!.samples).to.equal(450);
    expect(after!.explained_variance).to.be.above(0.9);
    expect(after!.l0).to.be.within(0.9, 1);
    expect(after!.never_fired).to.be.within(0, 8);
    const { counts, never } = after!.density;
    expect(counts.reduce((sum, count) => sum + count, never)).to.equal(16);
    expect(file).to.equal(join(context.folder, 'sae.onnx'));
  });

  it('stopped and resumed writes the same file as never stopped', async () => {
    const controller = new AbortController();
    const progress = () => (at: { step: number }) => {
      if (at.step >= 150) controller.abort();
    };
    const stopped = await contextOf('stopped', { signal: controller.signal, progress });
    const failure = await runActivationSae(settings, stopped).catch((error: Error) => error.message);
    expect(failure).to.include('stopped after');
    await runActivationSae(settings, await contextOf('stopped', { resume: true }));
    await runActivationSae(settings, await contextOf('never-stopped'));
    const [resumed, whole] = await Promise.all(
      ['stopped', 'never-stopped'].map(name => readFile(join(folder, name, 'sae.onnx'))),
    );
    expect(resumed!.equals(whole!)).to.equal(true);
  });
});
