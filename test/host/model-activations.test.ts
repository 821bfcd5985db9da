/** A host as a source of activations to train on. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { readNpy } from '../../src/files/index.ts';
import { type HostModel, modelActivations, openHost } from '../../src/host/index.ts';

const pathOf = (name: string) => new URL(`language-model/${name}`, import.meta.url).pathname;
const read = (name: string) => readNpy(readFileSync(pathOf(name)));
const ids = read('ids.npy');
const mask = read('mask.npy');
const { tensor } = JSON.parse(readFileSync(pathOf('scores.json'), 'utf8')) as { tensor: string };
const WIDTH = 24;

/** Rows as text, which can be compared and sorted. */
const textOf = (data: Float32Array, count: number): string[] =>
  Array.from({ length: count }, (_, row) => data.subarray(row * WIDTH, (row + 1) * WIDTH).join());

describe('activations of a model as a source', () => {
  let host: HostModel;
  before(async () => {
    host = await openHost(pathOf('model.onnx'));
  });
  after(() => host.dispose());
  // Three stretches of 24 samples.
  const source = (more: object = {}) =>
    modelActivations(host, { tensor, data: { input_ids: ids }, mask, hostBatchSize: 2, shuffleBuffer: 80, ...more });
  const draw = async (rows: number, options: { seed: number; holdOut?: number }, more?: object) => {
    await using opened = await source(more).open({ batchSize: 8, ...options });
    const activations = new Float32Array(rows * WIDTH);
    await opened.batches.fill({ activations }, 1);
    return textOf(activations, rows);
  };

  it('gives every row once in an epoch, in an order of its seed', async () => {
    const all = await host.activations({ input_ids: ids }, { tensor, mask, batchSize: 2 });
    const count = all.shape[0]!;
    const epoch = await draw(count, { seed: 3, holdOut: 0 });
    expect([...epoch].sort()).to.deep.equal(textOf(all.data, count).sort());
    expect(await draw(count, { seed: 3, holdOut: 0 })).to.deep.equal(epoch);
    expect(await draw(count, { seed: 4, holdOut: 0 })).not.to.deep.equal(epoch);
  });

  it('holds whole samples out, which training never sees', async () => {
    // Samples that begin alike have equal rows at the beginning.
    const dropFirst = 5;
    await using opened = await source({ dropFirst }).open({ seed: 0, batchSize: 8, holdOut: 0.25 });
    const held: string[] = [];
    for await (const { input } of opened.heldOut(1000, 16)) held.push(...textOf(input.data, input.shape[0]!));
    const all = await host.activations({ input_ids: ids }, { tensor, mask, dropFirst });
    const total = all.shape[0]!;
    const trained = new Float32Array(3 * total * WIDTH);
    await opened.batches.fill({ activations: trained }, 1);
    const seen = new Set(textOf(trained, 3 * total));
    expect(held.length).to.be.above(0);
    expect(held.filter(row => seen.has(row))).to.deep.equal([]);
    expect(seen.size + new Set(held).size).to.equal(total);
  });

  it('goes on from a saved place to the same bits', async () => {
    await using first = await source().open({ seed: 1, batchSize: 8 });
    const take = async (opened: typeof first, rows: number) => {
      const activations = new Float32Array(rows * WIDTH);
      await opened.batches.fill({ activations }, 1);
      return activations;
    };
    await take(first, 150);
    const place = JSON.parse(JSON.stringify(first.batches.state()));
    const expected = await take(first, 200);
    await using second = await source().open({ seed: 1, batchSize: 8 });
    await second.batches.restore(place);
    expect(await take(second, 200)).to.deep.equal(expected);
  });

  it('samples without moving, and leaves out rows of too large a norm', async () => {
    await using opened = await source({ dropNormAbove: 1.2 }).open({ seed: 1, batchSize: 8 });
    const sample = await opened.sample(30);
    expect(sample.shape).to.deep.equal([30, WIDTH]);
    const activations = new Float32Array(30 * WIDTH);
    await opened.batches.fill({ activations }, 1);
    expect(activations).to.deep.equal(sample.data);
    expect(opened.droppedByNorm).to.be.above(0);
  });

  it('gives pairs of two tensors for transcoders', async () => {
    const target = '/b1/Add_3_output_0';
    await using opened = await source({ target }).open({ seed: 1, batchSize: 8 });
    expect(opened.targetWidth).to.equal(WIDTH);
    const inputs = { activations: new Float32Array(20 * WIDTH), target: new Float32Array(20 * WIDTH) };
    await opened.batches.fill(inputs, 1);
    const all = await host.activations({ input_ids: ids }, { tensor, target, mask, batchSize: 2 });
    const partner = new Map(
      textOf(all.data, all.shape[0]!).map((row, i) => [row, textOf(all.target!.data, all.shape[0]!)[i]]),
    );
    const given = textOf(inputs.target, 20);
    textOf(inputs.activations, 20).forEach((row, i) => {
      expect(partner.get(row)).to.equal(given[i]);
    });
  });
});
