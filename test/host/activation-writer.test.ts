/** Activations on disk: what is written, that an ended run goes on to the same bytes, float16, outliers. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { InvalidValueError } from '../../src/errors.ts';
import { readNpy } from '../../src/files/index.ts';
import { arrayData, type HostModel, openHost, writeActivations } from '../../src/host/index.ts';

const pathOf = (name: string) => new URL(`language-model/${name}`, import.meta.url).pathname;
const read = (file: string) => readNpy(readFileSync(file));
const ids = read(pathOf('ids.npy'));
const mask = read(pathOf('mask.npy'));
const { tensor } = JSON.parse(readFileSync(pathOf('scores.json'), 'utf8')) as { tensor: string };

describe('activations on disk', () => {
  let folder: string;
  let host: HostModel;
  before(async () => {
    host = await openHost(pathOf('model.onnx'));
  });
  after(() => host.dispose());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'activations-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const data = () => arrayData(host.inputs, { input_ids: ids }, { mask });

  it('stand beside their tokens and positions, and say where they come from', async () => {
    const output = join(folder, 'acts.npy');
    const target = '/b1/Add_3_output_0';
    const record = await writeActivations(host, data(), { tensor, target, output, batchSize: 4 });
    const rows = read(output);
    const expected = read(pathOf('activations.npy'));
    expect(rows.shape).to.deep.equal(expected.shape);
    rows.data.forEach((value, i) => {
      expect(value).to.be.closeTo(expected.data[i]!, 1e-5);
    });
    const positions = read(join(folder, 'acts.positions.npy'));
    const tokens = read(join(folder, 'acts.tokens.npy'));
    expect(positions.shape).to.deep.equal([rows.shape[0], 2]);
    tokens.data.forEach((token, row) => {
      expect(token).to.equal(ids.data[positions.data[2 * row]! * ids.shape[1]! + positions.data[2 * row + 1]!]);
    });
    expect(read(join(folder, 'acts.target.npy')).shape).to.deep.equal(rows.shape);
    expect(JSON.parse(readFileSync(join(folder, 'acts.json'), 'utf8'))).to.deep.equal(record);
    expect(readdirSync(folder)).to.have.length(5);
  });

  it('are the same after a run that was ended and went on', async () => {
    const whole = join(folder, 'whole.npy');
    const parts = join(folder, 'parts.npy');
    await writeActivations(host, data(), { tensor, output: whole, batchSize: 2, dropNormAbove: 1.4 });
    for (const stopAt of [6, 14, Number.POSITIVE_INFINITY]) {
      const ending = new AbortController();
      const run = writeActivations(host, data(), {
        tensor,
        output: parts,
        batchSize: 2,
        dropNormAbove: 1.4,
        resume: true,
        signal: ending.signal,
        onProgress: ({ samples, resumedAt }) => {
          expect(samples).to.be.above(resumedAt);
          if (samples >= stopAt) ending.abort();
        },
      });
      if (stopAt === Number.POSITIVE_INFINITY) await run;
      else {
        expect(await run.catch((error: Error) => error.name)).to.equal('AbortError');
        expect(existsSync(parts)).to.equal(false);
      }
    }
    for (const name of ['', '.tokens', '.positions']) {
      const [a, b] = [`whole${name}.npy`, `parts${name}.npy`].map(file => readFileSync(join(folder, file)));
      expect(a!.equals(b!), name).to.equal(true);
    }
    expect(readdirSync(folder).filter(name => name.startsWith('.'))).to.deep.equal([]);
  });

  it('are not gone on with under other settings', async () => {
    const ending = new AbortController();
    const options = { tensor, output: join(folder, 'acts.npy'), batchSize: 2 };
    await writeActivations(host, data(), { ...options, signal: ending.signal, onProgress: () => ending.abort() }).catch(
      () => {},
    );
    const other = await writeActivations(host, data(), { ...options, dtype: 'float16', resume: true }).catch(
      (error: unknown) => error,
    );
    expect(other).to.be.instanceOf(InvalidValueError);
  });

  it('of an earlier run are replaced or gone on with only where that is said', async () => {
    const options = { tensor, output: join(folder, 'new/acts.npy'), batchSize: 2 };
    const refusal = async (more: object) => {
      const error = await writeActivations(host, data(), { ...options, ...more }).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(Error);
      return `${(error as Error).name}: ${(error as Error).message}`;
    };
    const ending = new AbortController();
    await writeActivations(host, data(), { ...options, signal: ending.signal, onProgress: () => ending.abort() }).catch(
      () => {},
    );
    expect(await refusal({})).to.match(/^FolderInUseError: .*acts\.npy: holds the \d+ rows of an ended run: resume/);
    const record = await writeActivations(host, data(), { ...options, resume: true });
    expect(await refusal({})).to.match(/^FolderInUseError: .*acts\.npy: is there already: overwrite/);

    // A finished run has nothing to go on with, and says so to other settings.
    const before = statSync(options.output).mtimeMs;
    expect(await writeActivations(host, data(), { ...options, resume: true })).to.deep.equal(record);
    expect(statSync(options.output).mtimeMs).to.equal(before);
    expect(await refusal({ resume: true, dropFirst: 1 })).to.match(
      /^InvalidValueError: .* drop_first was 0 in the earlier run, it is 1/,
    );
    const { rows } = await writeActivations(host, data(), { ...options, overwrite: true, dropFirst: 1 });
    expect(rows).to.equal(record.rows - ids.shape[0]!);

    const both = await Promise.allSettled(
      [0, 1].map(() => writeActivations(host, data(), { ...options, overwrite: true })),
    );
    expect(both.map(({ status }) => status).sort()).to.deep.equal(['fulfilled', 'rejected']);
    expect(readdirSync(join(folder, 'new')).filter(name => name.startsWith('.'))).to.deep.equal([]);
  });

  it('are not written where no row is left', async () => {
    const options = { tensor, output: join(folder, 'acts.npy') };
    for (const [more, words] of [
      [{ dropFirst: 99 }, /no position counts/],
      [{ dropNormAbove: 1e-4 }, /no row is left: the norms of all 222 are above 0.0001 times the median/],
    ] as const) {
      const error = await writeActivations(host, data(), { ...options, ...more }).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(InvalidValueError).with.property('message').that.matches(words);
      expect(readdirSync(folder)).to.deep.equal([]);
    }
  });

  it('leave out rows above so many times the median norm, to the row', async () => {
    const output = join(folder, 'acts.npy');
    const { rows, dropped_by_norm } = await writeActivations(host, data(), { tensor, output, dropNormAbove: 1.2 });
    const all = read(pathOf('activations.npy'));
    const norms = Array.from({ length: all.shape[0]! }, (_, row) =>
      Math.hypot(...Array.from(all.data).slice(row * 24, row * 24 + 24)),
    );
    const sorted = [...norms].sort((a, b) => a - b);
    const middle = sorted.length / 2;
    const limit =
      1.2 * (Number.isInteger(middle) ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[Math.floor(middle)]!);
    expect(rows).to.equal(norms.filter(norm => norm <= limit).length);
    expect(dropped_by_norm)
      .to.equal(norms.length - rows)
      .and.to.be.above(0);
    expect(read(output).shape).to.deep.equal([rows, 24]);
  });

  it('are rounded to the nearest float16', async () => {
    const output = join(folder, 'acts.npy');
    await writeActivations(host, data(), { tensor, output, dtype: 'float16' });
    const [rounded, exact] = [read(output), read(pathOf('activations.npy'))];
    expect(rounded.type).to.equal('float16');
    rounded.data.forEach((value, i) => {
      expect(Math.abs(value - exact.data[i]!)).to.be.at.most(Math.abs(exact.data[i]!) * 2 ** -11 + 2e-6);
    });
  });
});
