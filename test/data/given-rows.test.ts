import { expect } from 'chai';
import { activationSource } from '../../src/data/activation-data.ts';
import type { OpenOptions, OpenSource } from '../../src/data/activation-source.ts';
import { InvalidShapeError, InvalidTypeError, InvalidValueError } from '../../src/errors.ts';

/** Rows [i, −i]. */
const rows = (count: number): number[][] => Array.from({ length: count }, (_, i) => [i, -i]);

const open = (data: Parameters<typeof activationSource>[0], options: Partial<OpenOptions> = {}): Promise<OpenSource> =>
  activationSource(data).open({ seed: 0, batchSize: 10, ...options });

async function take(source: OpenSource, count: number): Promise<number[]> {
  const activations = new Float32Array(count * 2);
  await source.batches.fill({ activations }, 1);
  for (let i = 0; i < count; i++) expect(activations[2 * i]! + activations[2 * i + 1]!).to.equal(0);
  return Array.from({ length: count }, (_, i) => activations[2 * i]!);
}

describe('rows in memory', () => {
  it('come once an epoch, in an order of the epoch and the seed, but those held out', async () => {
    const source = await open(rows(1000), { holdOut: 0.1 });
    expect([source.width, source.rows, source.heldOutRows]).to.deep.equal([2, 900, 100]);
    const [first, second] = [await take(source, 900), await take(source, 900)];
    const held: number[] = [];
    for await (const { input } of source.heldOut(100, 7)) held.push(...input.data.filter((_, i) => i % 2 === 0));
    for (const epoch of [first, second]) {
      expect([...epoch, ...held].sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 1000 }, (_, i) => i));
    }
    expect(second).to.not.deep.equal(first);
    expect(await take(await open(rows(1000), { holdOut: 0.1 }), 900)).to.deep.equal(first);
    expect(await take(await open(rows(1000), { holdOut: 0.1, seed: 1 }), 900)).to.not.deep.equal(first);
    // A shuffle of all: the places of neighbours differ by a third of the rows on average.
    const distance = first.slice(1).reduce((sum, row, i) => sum + Math.abs(row - first[i]!), 0) / 899;
    expect(distance).to.be.within(290, 380);
  });

  it('are the same as an array of rows, of Float32Arrays, of tensors, and as a tensor of any numbers', async () => {
    const data = rows(50);
    const same: Parameters<typeof activationSource>[0][] = [
      data,
      data.map(row => Float32Array.from(row)),
      [
        { data: data.slice(0, 20).flat(), shape: [20, 2] },
        { data: Float32Array.from(data.slice(20).flat()), shape: [5, 6, 2] },
      ],
      { data: Float32Array.from(data.flat()), shape: [50, 2] },
      { data: Float64Array.from(data.flat()), shape: [5, 10, 2] },
    ];
    const taken = await Promise.all(same.map(async form => take(await open(form), 100)));
    for (const other of taken) expect(other).to.deep.equal(taken[0]);
    const identities = await Promise.all(same.map(async form => JSON.stringify((await open(form)).identity)));
    expect(new Set(identities).size).to.equal(1);
    const other = rows(50);
    other[30]![1] = 1;
    expect(JSON.stringify((await open(other)).identity)).to.not.equal(identities[0]);
  });

  it('go on from a position that went through JSON', async () => {
    const source = await open(rows(100));
    await take(source, 137);
    const state = JSON.parse(JSON.stringify(source.batches.state()));
    const rest = await take(source, 200);
    const again = await open(rows(100));
    await again.batches.restore(state);
    expect(await take(again, 200)).to.deep.equal(rest);
  });

  it('give a sample of many places without moving, and never change', async () => {
    const data = Float32Array.from(rows(40_000).flat());
    const copy = data.slice();
    const source = await open({ data, shape: [40_000, 2] });
    const { data: sample, shape } = await source.sample(1000);
    expect(shape).to.deep.equal([1000, 2]);
    const places = new Set(Array.from({ length: 1000 }, (_, i) => sample[2 * i]!));
    expect(places.size).to.equal(1000);
    const mean = [...places].reduce((sum, place) => sum + place, 0) / 1000;
    expect(mean).to.be.closeTo(20_000, (4 * 40_000) / Math.sqrt(12 * 1000));
    expect((await source.sample(1e6)).shape[0]).to.equal(source.rows);
    await take(source, 100_000);
    expect(data).to.deep.equal(copy);
  });

  it('may be pairs', async () => {
    const input = { data: Float32Array.from(rows(100).flat()), shape: [100, 2] };
    const target = { data: Float32Array.from({ length: 300 }, (_, i) => Math.floor(i / 3)), shape: [100, 3] };
    const pairs = rows(100).map(row => ({ input: row, target: [row[0]!, row[0]!, row[0]!] }));
    for (const data of [{ input, target }, pairs]) {
      const source = await open(data);
      expect([source.width, source.targetWidth]).to.deep.equal([2, 3]);
      const [activations, targets] = [new Float32Array(2 * 90), new Float32Array(3 * 90)];
      await source.batches.fill({ activations, target: targets }, 1);
      for (let row = 0; row < 90; row++) expect(targets[3 * row + 2]).to.equal(activations[2 * row]);
    }
    expect(() => activationSource({ input, target: { ...target, shape: [75, 4] } })).to.throw(
      InvalidShapeError,
      '75 targets',
    );
  });

  it('are refused where they are none', () => {
    expect(() => activationSource([[1, 2], [3]])).to.throw(InvalidShapeError, 'row 1 has 1 numbers, expected 2');
    expect(() =>
      activationSource([
        [1, 2],
        [3, Number.NaN],
      ]),
    ).to.throw(InvalidValueError, 'row 1 of the rows holds NaN');
    expect(() => activationSource([])).to.throw(InvalidShapeError);
    expect(() => activationSource({ data: [1, 2, 3], shape: [2, 2] })).to.throw(InvalidShapeError);
    for (const wrong of [3, 'acts/*.npy', null, undefined, Float32Array.of(1), {}, [1, 2]]) {
      expect(() => activationSource(wrong as never)).to.throw(InvalidTypeError);
    }
  });

  it('say so where nothing is left to train on, and where options are out of range', async () => {
    const failure = (options: Partial<OpenOptions>) => open(rows(2), options).catch((error: unknown) => error);
    for (const wrong of [{ holdOut: 0.9 }, { holdOut: -1 }, { seed: 0.5 }, { batchSize: 0 }, { restart: -1 }]) {
      expect(await failure(wrong), JSON.stringify(wrong)).to.be.instanceOf(InvalidValueError);
    }
  });
});
