/** Files as people really have them: those that files-of-people/make_cases.py makes, with the answers that numpy gives. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { readNpy } from '../../src/files/npy.ts';
import { readNpz } from '../../src/files/npz.ts';
import { toDense } from '../../src/inference/sparse-features.ts';
import { fromNested, type HostTensor, type NestedArray } from '../../src/tensor.ts';
import { runOnnx } from '../export/checkpoint-cases.ts';
import { runCommand } from './run-command.ts';

const python = process.env['MONOSEMANTIC_PYTHON'] ?? 'python3';
const seed = process.env['MONOSEMANTIC_CASES_SEED'] ?? '0';

interface Case {
  readonly run: readonly string[];
  readonly expect: 'features' | 'error' | 'refused-or-finite';
  readonly message: string | null;
  readonly before: readonly string[] | null;
  readonly features?: NestedArray;
  readonly reconstruction?: NestedArray;
  readonly fires?: NestedArray;
}

/** What this machine lacks to make the cases; undefined where it has everything. */
function lacks(): string | undefined {
  try {
    execFileSync(python, ['-c', 'import numpy, onnx, safetensors'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return `${python} with numpy, onnx and safetensors`;
  }
}

async function readResult(path: string): Promise<Record<string, HostTensor>> {
  if (path.endsWith('.onnx')) {
    const x = readNpy(await readFile(join(path, '../acts.npy')));
    return runOnnx(await readFile(path), { activations: { shape: x.shape, data: Float32Array.from(x.data) } });
  }
  if (path.endsWith('.npy')) {
    const { shape, data } = readNpy(await readFile(path));
    return { features: { shape, data: Float32Array.from(data) } };
  }
  const arrays = readNpz(await readFile(path), { names: ['shape', 'indptr', 'indices', 'data'] });
  const shape = [...arrays.get('shape')!.data];
  const sparse = {
    shape,
    offsets: Uint32Array.from(arrays.get('indptr')!.data),
    indices: Uint32Array.from(arrays.get('indices')!.data),
    values: Float32Array.from(arrays.get('data')!.data),
  };
  return { features: { shape, data: toDense(sparse, 0, shape[0]!) } };
}

function expectNear(actual: HostTensor, expected: NestedArray, what: string): void {
  const { data } = fromNested(expected);
  expect(actual.data.length, `${what}: values`).to.equal(data.length);
  const bound = 1e-4 * Math.max(1, ...data.map(Math.abs));
  const worst = data.reduce((most, value, i) => Math.max(most, Math.abs(value - actual.data[i]!)), 0);
  expect(worst, what).to.be.at.most(bound);
}

const missing = lacks();
if (missing !== undefined) {
  describe('files of people', () => {
    it(`are made by Python [skipped: needs ${missing}]`, function () {
      this.skip();
    });
  });
} else {
  // Cases are known when the file is loaded, so that each is a test of its own.
  const folder = join(tmpdir(), `monosemantic-cases-${process.pid}`);
  const script = fileURLToPath(new URL('files-of-people/make_cases.py', import.meta.url));
  execFileSync(python, [script, folder, '--seed', seed], { stdio: ['ignore', 'ignore', 'inherit'] });

  describe(`files of people, seed ${seed}`, () => {
    after(() => rm(folder, { recursive: true }));

    for (const name of readdirSync(folder).sort()) {
      it(name, async () => {
        const at = join(folder, name);
        const wanted = JSON.parse(readFileSync(join(at, 'case.json'), 'utf8')) as Case;
        const output = wanted.run.find(argument => argument.startsWith('OUT.') && argument !== wanted.run[1]) ?? 'none';
        const absolute = (argument: string): string =>
          argument.startsWith('OUT.') || existsSync(join(at, argument)) ? join(at, argument) : argument;
        if (wanted.before) await runCommand(wanted.before.map(absolute));
        const before = readdirSync(at);
        const { status, stderr } = await runCommand(wanted.run.map(absolute));
        if (wanted.expect === 'error' || (wanted.expect === 'refused-or-finite' && status !== 0)) {
          expect([status, stderr.trim().split('\n').length], stderr).to.deep.equal([1, 1]);
          expect(stderr.toLowerCase()).to.include((wanted.message ?? '').toLowerCase());
          expect(stderr)
            .to.match(/^monosemantic: /)
            .and.to.not.match(/call stack|internal error|undefined/i);
          expect(readdirSync(at), 'what was left').to.deep.equal(before);
          return;
        }
        expect([status, stderr]).to.deep.equal([0, '']);
        const result = await readResult(join(at, output));
        if (wanted.expect === 'refused-or-finite') {
          expect(result['features']!.data.every(Number.isFinite)).to.equal(true);
          return;
        }
        if (wanted.features) expectNear(result['features']!, wanted.features, 'features');
        if (wanted.reconstruction) expectNear(result['reconstruction']!, wanted.reconstruction, 'reconstruction');
        if (wanted.fires) {
          const fires = Array.from(fromNested(wanted.fires).data, Boolean);
          const fired = Array.from(result['features']!.data.subarray(0, fires.length), value => value > 0);
          expect(fired).to.deep.equal(fires);
        }
      });
    }
  });
}
