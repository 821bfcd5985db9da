/** Records of a run: their numbers, the file of one a line, and TensorBoard's event files. */
import { spawnSync } from 'node:child_process';
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { ExplainedVariance } from '../../../src/analysis/explained-variance.ts';
import { L0 } from '../../../src/analysis/l0.ts';
import { createRandomSource } from '../../../src/data/random-source.ts';
import { sparseFeatures } from '../../../src/data/sparse-features.ts';
import { toyModelActivations } from '../../../src/data/toy-model-activations.ts';
import { FileWriteError, InvalidValueError } from '../../../src/errors.ts';
import { Crc32, Crc32c } from '../../../src/files/crc32.ts';
import type { ActivationConfig } from '../../../src/models/architectures/registry.ts';
import { type HostTensor, hostTensor } from '../../../src/tensor.ts';
import { scalarsEvent, tfRecord } from '../../../src/training/metrics/event-file.ts';
import type { MetricsRecord } from '../../../src/training/metrics/metrics-record.ts';
import { scalarsOf } from '../../../src/training/metrics/tensorboard.ts';
import { trainSae, trainSaes, trainToyModel } from '../../../src/training/node.ts';
import type { Progress } from '../../../src/training/train.ts';

const PYTHON = process.env['MONOSEMANTIC_PYTHON'] || 'python3';
const WIDTH = 12;

function dictionary(seed: number, features = 24): HostTensor {
  const random = createRandomSource(seed);
  return hostTensor(
    Float32Array.from({ length: features * WIDTH }, () => random.normal() / Math.sqrt(WIDTH)),
    [features, WIDTH],
  );
}

const data = toyModelActivations(dictionary(1), sparseFeatures({ nFeatures: 24, sparsity: 0.9 }));
const SETTINGS = {
  data,
  dSae: 96,
  activation: { kind: 'relu', l1: 0.002 },
  batchSize: 128,
  steps: 230,
  seed: 3,
} as const;

/** Without what depends on the clock. */
function timeless({ time, rows_per_second, ...record }: MetricsRecord): MetricsRecord {
  return record;
}

function parse(text: string): MetricsRecord[] {
  expect(text.endsWith('\n')).to.equal(true);
  return text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as MetricsRecord);
}

describe('records of a training', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'records-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('are means of what each step reported, at fixed steps and the last', async () => {
    const records: MetricsRecord[] = [];
    const { history } = await trainSae(SETTINGS, { onRecord: record => records.push(record), recordEvery: 50 });
    expect(records.map(({ step }) => step)).to.deep.equal([50, 100, 150, 200, 230]);
    expect(records.map(({ samples }) => samples)).to.deep.equal([50, 100, 150, 200, 230].map(step => 128 * step));
    const mean = (values: Float32Array, from: number, to: number) =>
      values.subarray(from, to).reduce((sum, value) => sum + value, 0) / (to - from);
    for (const [i, { step, loss, losses, rows_per_second, time }] of records.entries()) {
      const from = 50 * i;
      expect(loss).to.be.closeTo(mean(history.loss, from, step), 1e-6);
      expect(Object.keys(losses)).to.deep.equal(['mse', 'l1']);
      for (const [name, value] of Object.entries(losses)) {
        expect(value).to.be.closeTo(mean(history.losses[name]!, from, step), 1e-7);
      }
      expect(losses['mse']! + losses['l1']!).to.be.closeTo(loss, 1e-6);
      expect(rows_per_second).to.be.above(0);
      expect(time).to.be.closeTo(Date.now() / 1000, 600);
    }
  });

  const kinds: [ActivationConfig, number][] = [
    [{ kind: 'topk', k: 3 }, 96],
    [{ kind: 'batchtopk', k: 3 }, 96],
    [{ kind: 'relu', l1: 0.002 }, 96],
    [{ kind: 'relu', l1: 0.002 }, 20],
    [{ kind: 'topk', k: 3 }, 20],
    [{ kind: 'gated', l1: 0.002 }, 96],
    [{ kind: 'jumprelu', l0: 0.001 }, 96],
    [{ kind: 'matryoshka', k: 3, widths: [24, 48, 96] }, 96],
  ];
  for (const [activation, dSae] of kinds) {
    it(`say what fresh rows say, and change no bit of the training: ${activation.kind}, ${dSae} latents`, async () => {
      // The rate falls to nothing, so that the autoencoder is much the same over the last hundred steps.
      const schedules = { learningRate: { decay: 'cosine' } } as const;
      const settings = { ...SETTINGS, activation, dSae, steps: 500, learningRate: 0.003, schedules };
      const records: MetricsRecord[] = [];
      const { sae } = await trainSae(settings, { onRecord: record => records.push(record) });
      const { l0, explained_variance } = records.at(-1)!;
      await using opened = await data.open({ seed: 9, batchSize: 4096 });
      for await (const { input } of opened.heldOut(4096, 4096)) {
        // As training chooses latents, of a batch or with a threshold that moves.
        const { features, reconstruction } = sae.trainingForward(input);
        const [variance, active] = [new ExplainedVariance(), new L0()];
        variance.add(input, reconstruction);
        active.add(features);
        expect(explained_variance).to.be.closeTo(variance.compute()!, 0.03);
        expect(l0! / active.compute()).to.be.within(0.93, 1.07);
      }
      const { sae: unwatched } = await trainSae(settings);
      for (const [name, { data: values }] of Object.entries(unwatched.state.parameters)) {
        expect(sae.state.parameters[name]!.data, name).to.deep.equal(values);
      }
    });
  }

  for (const normalize of ['expected_average_only_in', 'layer_norm', 'constant_norm_rescale'] as const) {
    it(`compare with the rows that the loss compares with: ${normalize}`, async () => {
      const records: MetricsRecord[] = [];
      // Away from zero, where no row has a norm to be scaled to.
      const random = createRandomSource(4);
      const values = Float32Array.from({ length: 6000 * WIDTH }, () => 1 + random.normal());
      const rows = hostTensor(values, [6000, WIDTH]);
      const settings = { ...SETTINGS, data: rows, normalize, steps: 500, learningRate: 0.003 };
      const schedules = { learningRate: { decay: 'cosine' } } as const;
      const { sae } = await trainSae({ ...settings, schedules }, { onRecord: record => records.push(record) });
      const variance = new ExplainedVariance();
      variance.add(rows, sae.forward(rows).reconstruction);
      expect(records.at(-1)!.explained_variance).to.be.closeTo(variance.compute()!, 0.03);
    });
  }

  it('sum the squared error as the loss does', async () => {
    const last = async (settings: object): Promise<MetricsRecord> => {
      const records: MetricsRecord[] = [];
      const options = { onRecord: (record: MetricsRecord) => void records.push(record) };
      await trainSae({ ...SETTINGS, activation: { kind: 'topk', k: 3 }, ...settings }, options);
      return records.at(-1)!;
    };
    const mean = await last({});
    const sum = await last({ reconstructionLoss: 'sum' });
    expect(sum.loss / mean.loss).to.be.closeTo(WIDTH, 0.5);
    expect(sum.explained_variance).to.be.closeTo(mean.explained_variance!, 0.01);
  });

  it('count dead latents once the window has passed', async () => {
    const records: MetricsRecord[] = [];
    // A large step kills most latents at once.
    const settings = { ...SETTINGS, learningRate: 1, activation: { kind: 'topk', k: 1 }, batchSize: 4, steps: 1100 };
    const { sae } = await trainSae(settings as never, { onRecord: record => records.push(record) });
    const first = records.findIndex(({ dead }) => dead !== undefined);
    expect(records[first]!.step).to.equal(1100);
    expect(records.at(-1)!.dead_window).to.equal(4000);
    // The last step reports what was dead before it.
    const silent = sae.state.buffers['silent']!.data;
    expect(records.at(-1)!.dead).to.equal(silent.filter(samples => samples >= 4004).length);
    expect(records.at(-1)!.dead).to.be.above(10);
  });

  it('say so where nothing varies', async () => {
    const records: MetricsRecord[] = [];
    const rows = { data: new Float32Array(400 * 3).fill(2), shape: [400, 3] };
    await trainSae(
      {
        data: rows,
        dSae: 4,
        activation: { kind: 'topk', k: 1 },
        start: { directions: 'gaussian' },
        steps: 20,
        batchSize: 16,
      },
      { onRecord: record => records.push(record) },
    );
    expect(records.at(-1)!.explained_variance).to.equal(null);
  });

  it('reach the callback of progress as well, with the pace', async () => {
    const seen: Progress[] = [];
    const { history } = await trainSae(SETTINGS, { onProgress: progress => seen.push(progress), stepsPerCall: 10 });
    // A call has ten steps, or fewer where the machine has been busy.
    const from = seen.at(-3)!.step;
    const { step, steps, loss, losses, l0, explained_variance, rowsPerSecond, secondsLeft } = seen.at(-2)!;
    expect(step).to.be.within(from + 1, from + 10);
    expect(steps).to.equal(230);
    expect(loss).to.equal(history.loss[step - 1]);
    const meanMse = history.losses['mse']!.subarray(from, step).reduce((a, b) => a + b) / (step - from);
    expect(losses['mse']).to.be.closeTo(meanMse, 1e-7);
    expect(l0).to.be.within(1, 96);
    expect(explained_variance).to.be.within(-5, 1);
    expect(rowsPerSecond).to.be.above(0);
    expect(secondsLeft).to.be.closeTo(((230 - step) * 128) / rowsPerSecond, 1e-6);
    expect(seen.at(-1)!.secondsLeft).to.equal(0);
  });

  it('of several models side by side are their means, and of toy models their losses', async () => {
    const records: MetricsRecord[] = [];
    const onRecord = (record: MetricsRecord) => void records.push(record);
    const runs = await trainSaes({ ...SETTINGS, dSae: 8, vary: [{ seed: 1 }, { seed: 2 }] }, { onRecord });
    const of = (values: Float32Array) => values.subarray(200).reduce((a, b) => a + b) / 30;
    const expected = runs.map(({ history }) => of(history.losses['mse']!));
    expect(records.at(-1)!.losses['mse']).to.be.closeTo((expected[0]! + expected[1]!) / 2, 1e-6);
    // Against zeros the explained variance is 1 − E‖x‖² / variance.
    await using opened = await data.open({ seed: 9, batchSize: 4096 });
    for await (const { input } of opened.heldOut(4096, 4096)) {
      const zeros = new ExplainedVariance();
      zeros.add(input, { ...input, data: new Float32Array(input.data.length) });
      const variance = input.data.reduce((sum, value) => sum + value ** 2, 0) / 4096 / (1 - zeros.compute()!);
      const mse = (expected[0]! + expected[1]!) / 2;
      expect(records.at(-1)!.explained_variance).to.be.closeTo(1 - (mse * WIDTH) / variance, 0.03);
    }

    records.length = 0;
    const toy = { data: sparseFeatures({ nFeatures: 5, sparsity: 0.9 }), nHidden: 2, steps: 150, batchSize: 64 };
    const { history } = await trainToyModel(toy, { onRecord });
    expect(records.map(({ step }) => step)).to.deep.equal([100, 150]);
    expect(records[1]!.loss).to.be.closeTo(history.loss.subarray(100).reduce((a, b) => a + b) / 50, 1e-6);
    expect(records[1]).to.not.have.any.keys('l0', 'explained_variance', 'dead');
  });

  it('have the numbers that a schedule changes', async () => {
    const records: MetricsRecord[] = [];
    const schedules = { learningRate: { warmUpSteps: 100 }, l1: { from: 0, steps: 200 } };
    await trainSae({ ...SETTINGS, schedules } as never, { onRecord: record => records.push(record) });
    expect(Object.keys(records[0]!.schedule!)).to.have.members(['learning_rate', 'l1']);
    // Of the hundredth step, which 99 went before.
    expect(records[0]!.schedule!['l1']).to.be.closeTo((0.002 * 99) / 200, 1e-4);
    expect(records.at(-1)!.schedule!['l1']).to.be.closeTo(0.002, 1e-9);
  });

  it('stand in a file once each, in order, whatever a run that was killed left behind', async () => {
    const [whole, stopped] = [join(folder, 'whole.jsonl'), join(folder, 'stopped.jsonl')];
    await writeFile(whole, 'of another run\n');
    await trainSae(SETTINGS, { metricsFile: whole, recordEvery: 20 });
    const expected = parse(await readFile(whole, 'utf8'));
    expect(expected.map(({ step }) => step)).to.deep.equal([20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 220, 230]);

    const checkpoint = join(folder, 'checkpoints');
    const control = new AbortController();
    const options = { metricsFile: stopped, recordEvery: 20, checkpoint, checkpointName: 'a', stepsPerCall: 7 };
    const onProgress = ({ step }: Progress) => step >= 105 && control.abort();
    await trainSae(SETTINGS, { ...options, signal: control.signal, onProgress });
    const before = parse(await readFile(stopped, 'utf8'));
    expect(before.map(timeless)).to.deep.equal(expected.slice(0, 5).map(timeless));
    // As if it had gone on after its checkpoint, and been killed in a line; and one line was lost.
    const lines = (await readFile(stopped, 'utf8')).split('\n');
    await writeFile(stopped, `${[...lines.slice(0, 1), ...lines.slice(2, 5)].join('\n')}\n`);
    await appendFile(stopped, `${JSON.stringify({ ...before[4], step: 120, loss: -1 })}\n{"step":140,"lo`);
    await trainSae(SETTINGS, { ...options, resume: true });
    const after = parse(await readFile(stopped, 'utf8'));
    expect(after.map(timeless)).to.deep.equal(expected.map(timeless));
    // Lines that were there keep their time, the one that was lost has none.
    expect(after[0]).to.deep.equal(before[0]);
    expect(after[1]).to.not.have.property('time');
    expect(after[6]!.time).to.be.a('number');
  });

  it('of groups that train in turn go to a file for each', async () => {
    const vary = [{ dSae: 8 }, { dSae: 9 }];
    await trainSaes({ ...SETTINGS, steps: 10, vary }, { metricsFile: join(folder, 'groups.jsonl') });
    const names = (await readdir(folder)).filter(name => name.startsWith('groups'));
    expect(names).to.have.members(['groups-1.jsonl', 'groups-2.jsonl']);
  });

  it('that cannot be written are said at once, and later cost no training', async () => {
    const missing = join(folder, 'missing', 'a.jsonl');
    const early = await trainSae(SETTINGS, { metricsFile: missing }).catch((error: unknown) => error);
    expect(early).to.be.instanceOf(FileWriteError);
    const own = await mkdtemp(join(folder, 'gone-'));
    const onProgress = ({ step }: Progress) => step <= 40 && void rm(own, { recursive: true, force: true });
    const late = await trainSae(SETTINGS, {
      metricsFile: join(own, 'a.jsonl'),
      recordEvery: 50,
      stepsPerCall: 10,
      onProgress,
    });
    expect(late.stopped).to.equal(false);
    expect(late.recordsFailed).to.be.instanceOf(FileWriteError);
    const wrong = await trainSae(SETTINGS, { recordEvery: 0, onRecord: () => {} }).catch((error: unknown) => error);
    expect(wrong).to.be.instanceOf(InvalidValueError);
  });

  describe('in TensorBoard', () => {
    it('have the checksums of RFC 3720, and TensorFlow’s bytes', () => {
      const check = (checksum: Crc32 | Crc32c): number => {
        for (const part of ['12345', '6789']) checksum.update(new TextEncoder().encode(part));
        return checksum.value;
      };
      // The check values of the catalogue of CRCs (reveng): CRC-32/ISO-HDLC and CRC-32/ISCSI.
      expect(check(new Crc32())).to.equal(0xcbf43926);
      expect(check(new Crc32c())).to.equal(0xe3069283);
      const zeros = new Crc32c();
      zeros.update(new Uint8Array(32));
      expect(zeros.value).to.equal(0x8a9136aa);
      // Written by tensorboard 2.21 (RecordWriter) for wall_time 1.5, step 300, tag 'a/b', value 0.25.
      const bytes = Buffer.from(scalarsEvent(1.5, 300, [{ tag: 'a/b', value: 0.25 }])).toString('hex');
      expect(bytes).to.equal(EVENT_BY_TENSORBOARD);
      expect(tfRecord([]).length).to.equal(16);
    });

    it('are read back as they were written, once each after a resumed run', async function () {
      const found = spawnSync(PYTHON, ['-c', 'import tensorboard'], { encoding: 'utf8' });
      if (found.status !== 0) {
        console.log('      skipped: needs a Python with tensorboard (MONOSEMANTIC_PYTHON or python3)');
        this.skip();
      }
      const board = join(folder, 'board');
      const control = new AbortController();
      const options = { recordEvery: 20, checkpoint: join(folder, 'of-board'), checkpointEvery: 90, stepsPerCall: 10 };
      const files = { tensorboard: board, metricsFile: join(folder, 'board.jsonl') };
      const onProgress = ({ step }: Progress) => step >= 130 && control.abort();
      await trainSae(SETTINGS, { ...options, ...files, onProgress, signal: control.signal });
      await trainSae(SETTINGS, { ...options, ...files, resume: true });
      const script = fileURLToPath(new URL('read_events.py', import.meta.url));
      const { status, stdout, stderr } = spawnSync(PYTHON, [script, board], { encoding: 'utf8' });
      expect(status, stderr).to.equal(0);
      const read = JSON.parse(stdout) as Record<string, [number, number, number][]>;
      const records = parse(await readFile(files.metricsFile, 'utf8'));
      const tags = new Map<string, [number, number, number][]>();
      for (const record of records) {
        for (const { tag, value } of scalarsOf(record)) {
          tags.set(tag, [...(tags.get(tag) ?? []), [record.step, value, record.time!]]);
        }
      }
      expect(Object.keys(read)).to.have.members([...tags.keys()]);
      expect([...tags.keys()]).to.include.members(['loss', 'losses/mse', 'losses/l1', 'l0', 'explained_variance']);
      for (const [tag, events] of tags) {
        expect(read[tag]!.map(([step]) => step)).to.deep.equal(events.map(([step]) => step));
        for (const [i, [, value, time]] of events.entries()) {
          expect(read[tag]![i]![1]).to.be.closeTo(value, 1e-6 * Math.max(1, Math.abs(value)));
          expect(read[tag]![i]![2]).to.be.closeTo(time, 1);
        }
      }
    });
  });
});

const EVENT_BY_TENSORBOARD = '1a00000000000000129bd82d09000000000000f83f10ac022a0c0a0a0a03612f62150000803ef9cde7ed';
