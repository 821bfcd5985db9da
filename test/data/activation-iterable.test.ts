import { expect } from 'chai';
import { activationSource } from '../../src/data/activation-data.ts';
import type { ActivationItem } from '../../src/data/activation-iterable.ts';
import type { OpenOptions, OpenSource } from '../../src/data/activation-source.ts';
import {
  DisposedError,
  FileFormatError,
  InvalidShapeError,
  InvalidTypeError,
  InvalidValueError,
} from '../../src/errors.ts';
import type { HostTensor } from '../../src/tensor.ts';

/** Rows of two numbers that count up, in tensors of the given numbers of rows; `ends` hears how it ended. */
async function* counted(parts: readonly number[], ends: string[] = []): AsyncGenerator<HostTensor> {
  let next = 0;
  try {
    for (const rows of parts) {
      yield { data: Float32Array.from({ length: rows * 2 }, () => next++), shape: [rows, 2] };
    }
    ends.push('read to the end');
  } finally {
    ends.push('closed');
  }
}

const upTo = (end: number, from = 0): number[] => Array.from({ length: end - from }, (_, i) => from + i);

async function take(source: OpenSource, count: number): Promise<number[]> {
  const activations = new Float32Array(count);
  await source.batches.fill({ activations }, 1);
  return [...activations];
}

async function errorOf(work: () => unknown): Promise<Error> {
  return Promise.resolve()
    .then(work)
    .then(
      () => expect.fail('nothing was thrown'),
      (error: Error) => error,
    );
}

describe('activations from an iterable', () => {
  const opened: OpenSource[] = [];
  const open = async (data: Parameters<typeof activationSource>[0], options: Partial<OpenOptions> = {}) => {
    const source = await activationSource(data).open({ seed: 0, batchSize: 4, holdOut: 0, ...options });
    opened.push(source);
    return source;
  };
  afterEach(async () => {
    for (const source of opened.splice(0)) await source[Symbol.asyncDispose]();
  });

  it('joins and cuts what it gives into batches, in order', async () => {
    const source = await open(counted([1, 5, 2]));
    expect(source.width).to.equal(2);
    expect(await take(source, 6)).to.deep.equal(upTo(6));
    expect(await take(source, 10)).to.deep.equal(upTo(16, 6));
  });

  it('takes rows of plain numbers, Float32Arrays and tensors, from what is asynchronous and what is not', async () => {
    const rows = [[0, 1], Float32Array.of(2, 3), { data: [4, 5, 6, 7], shape: [2, 2] }];
    const forms: (() => Parameters<typeof activationSource>[0])[] = [
      () => new Set<ActivationItem>(rows),
      () => rows.values(),
      () =>
        (async function* () {
          yield* rows;
        })(),
      () => () => rows,
      () =>
        (function* (): Generator<number[]> {
          for (let i = 0; i < 4; i++) yield [2 * i, 2 * i + 1];
        })(),
    ];
    for (const form of forms) expect(await take(await open(form()), 8)).to.deep.equal(upTo(8));
  });

  it('keeps what it looked at beforehand and gives it first', async () => {
    const source = await open(counted([3, 3, 3]));
    const { data, shape } = await source.sample(5);
    expect(shape).to.deep.equal([5, 2]);
    expect([...data]).to.deep.equal(upTo(10));
    expect(await take(source, 4)).to.deep.equal(upTo(4));
    expect([...(await source.sample(2)).data]).to.deep.equal(upTo(8, 4));
    expect(await take(source, 14)).to.deep.equal(upTo(18, 4));
    expect((await (await open(counted([3]))).sample(10)).shape).to.deep.equal([3, 2]);
  });

  it('does not mind an array that is used again for what comes next', async () => {
    function* reused(): Generator<Float32Array> {
      const row = new Float32Array(2);
      for (let i = 0; i < 6; i++) {
        row.set([2 * i, 2 * i + 1]);
        yield row;
      }
    }
    const source = await open(reused());
    await source.sample(6);
    expect(await take(source, 12)).to.deep.equal(upTo(12));
  });

  it('begins again where a function makes it, and says so where it cannot', async () => {
    const ends: string[] = [];
    const source = await open(() => counted([2], ends));
    expect(await take(source, 10)).to.deep.equal([0, 1, 2, 3, 0, 1, 2, 3, 0, 1]);
    expect(ends.filter(end => end === 'closed')).to.have.length(2);
    const failure = await errorOf(async () => take(await open(counted([2])), 10));
    expect(failure).to.be.instanceOf(InvalidValueError);
    expect(failure.message).to.include('ended after 2 rows');
    const empty = await errorOf(() => open(() => counted([])));
    expect(empty).to.be.instanceOf(InvalidValueError);
    const once = activationSource(counted([2]));
    await once.open({ seed: 0, batchSize: 1 });
    expect((await errorOf(() => once.open({ seed: 0, batchSize: 1 }))).message).to.include('read once');
  });

  it('goes on from a position that went through JSON, past the end of a pass too', async () => {
    const make = () => counted([3, 3, 3]);
    for (const rows of [4, 9, 13]) {
      const source = await open(make);
      await source.sample(7);
      await take(source, 2 * rows);
      const state = JSON.parse(JSON.stringify(source.batches.state()));
      const again = await open(make);
      await again.sample(2);
      await again.batches.restore(state);
      expect(again.batches.state()).to.deep.equal(state);
      expect(await take(again, 10)).to.deep.equal(await take(source, 10));
    }
    const source = await open(counted([3]));
    await source.batches.restore(JSON.parse(JSON.stringify(source.batches.state())));
    expect(await errorOf(() => source.batches.restore({ pass: 0, given: 2 }))).to.be.instanceOf(InvalidValueError);
    expect(await errorOf(() => source.batches.restore('there'))).to.be.instanceOf(FileFormatError);
  });

  it('ends with an error where it is resumed on fewer rows than were given', async () => {
    let parts = [3, 3, 3];
    const source = await open(() => counted(parts));
    await take(source, 16);
    const state = source.batches.state();
    parts = [3, 2];
    const again = await open(() => counted(parts));
    const failure = await errorOf(() => again.batches.restore(state));
    expect(failure).to.be.instanceOf(FileFormatError);
    expect(failure.message).to.include('row 8').and.include('end after 5');
  });

  for (const [what, row, words] of [
    ['of another width', [1, 2, 3], 'row 4 of the activations has 3 numbers, expected 2'],
    ['with NaN', [1, Number.NaN], 'row 4 of the activations holds NaN in column 1'],
    ['with Infinity', [Number.POSITIVE_INFINITY, 1], 'row 4 of the activations holds Infinity in column 0'],
    ['that is none', 'row' as unknown as number[], 'row 4 of the activations: expected an array of numbers'],
  ] as const) {
    it(`says which row is ${what}, and closes the iterator`, async () => {
      const ends: string[] = [];
      const source = await open(
        (async function* () {
          yield* counted([1, 3], ends);
          try {
            yield row;
            ends.push('went on');
          } finally {
            ends.push('closed too');
          }
        })(),
      );
      const failure = await errorOf(() => take(source, 20));
      const types = [InvalidShapeError, InvalidValueError, InvalidTypeError];
      expect(types.some(type => failure instanceof type)).to.equal(true);
      expect(failure.message).to.include(words);
      expect(ends).to.deep.equal(['read to the end', 'closed', 'closed too']);
    });
  }

  it('closes the iterator when it is disposed of, once, and on what it cannot begin with', async () => {
    const ends: string[] = [];
    const source = await open(counted([3, 3, 3], ends));
    await take(source, 2);
    expect(ends).to.deep.equal([]);
    await source[Symbol.asyncDispose]();
    await source[Symbol.asyncDispose]();
    expect(ends).to.deep.equal(['closed']);
    expect(await errorOf(() => take(source, 20))).to.be.instanceOf(DisposedError);

    let returned = 0;
    const bad = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: false, value: [Number.NaN] }),
        return: () => {
          returned++;
          return { done: true, value: undefined };
        },
      }),
    };
    expect(await errorOf(() => open(bad as Iterable<number[]>))).to.be.instanceOf(InvalidValueError);
    expect(returned).to.equal(1);
  });

  it('passes on the error of an iterator that fails', async () => {
    const source = await open(
      (async function* () {
        yield [1, 2];
        throw new Error('the socket closed');
      })(),
    );
    expect((await errorOf(() => take(source, 4))).message).to.equal('the socket closed');
  });

  it('holds out a share that training never sees, the same in every pass', async () => {
    const make = () => counted(Array<number>(50).fill(20));
    const source = await open(make, { holdOut: 0.1 });
    await source.sample(10);
    const rows = [...(await take(source, 2 * 900)), ...(await take(source, 2 * 900))].filter((_, i) => i % 2 === 0);
    const held: number[] = [];
    for await (const { input } of source.heldOut(1000, 30)) {
      expect(input.shape[0]).to.be.at.most(30);
      for (let row = 0; row < input.shape[0]!; row++) held.push(input.data[2 * row]!);
    }
    expect(held).to.have.length(100);
    expect(rows.filter(row => held.includes(row))).to.deep.equal([]);
    expect(new Set([...rows, ...held]).size).to.equal(1000);
    for (let tenth = 0; tenth < 10; tenth++) {
      expect(held.filter(row => Math.floor(row / 200) === tenth)).to.have.length(10);
    }
    expect(rows.slice(0, 900)).to.deep.equal(rows.slice(900));
  });

  it('gives pairs', async () => {
    const pairs = () => [
      { input: [0, 1], target: [10] },
      { input: { data: [2, 3, 4, 5], shape: [2, 2] }, target: { data: [11, 12], shape: [2, 1] } },
    ];
    const source = await open(() => pairs());
    expect([source.width, source.targetWidth]).to.deep.equal([2, 1]);
    const [activations, target] = [new Float32Array(8), new Float32Array(4)];
    await source.batches.fill({ activations, target }, 1);
    expect([...activations]).to.deep.equal([0, 1, 2, 3, 4, 5, 0, 1]);
    expect([...target]).to.deep.equal([10, 11, 12, 10]);
    const uneven = [{ input: [1], target: { data: [1, 2], shape: [2, 1] } }];
    expect(await errorOf(() => open(uneven.values()))).to.be.instanceOf(InvalidShapeError);
    const without = [{ input: [1], target: [1] }, [2]];
    expect(await errorOf(async () => take(await open(without.values()), 2))).to.be.instanceOf(InvalidShapeError);
  });

  it('notices other rows by its identity', async () => {
    const identity = async (first: number): Promise<string> =>
      JSON.stringify((await open(() => [[first, 1]])).identity);
    expect(await identity(1)).to.equal(await identity(1));
    expect(await identity(1)).to.not.equal(await identity(2));
  });

  it('stops opening when it is aborted', async () => {
    expect((await errorOf(() => open(counted([1]), { signal: AbortSignal.abort() }))).name).to.equal('AbortError');
  });
});
