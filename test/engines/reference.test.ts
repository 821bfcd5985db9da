/** Every engine, provider and form that this machine has against the figures that PyTorch computed. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Check } from '../../scripts/reference/check.ts';
import { checkFile } from '../../scripts/reference/check-file.ts';
import { type EngineForm, type EngineForms, findEngineForms } from '../../scripts/reference/engine-forms.ts';
import { TRAINING_FILES, type TrainingFileName } from '../../scripts/reference/training-file.ts';
import { useSwiftShader } from '../support/swiftshader.ts';

const FOLDER = fileURLToPath(new URL('../reference/', import.meta.url));

interface TestedForm {
  readonly label: string;
  /** Some machines do not have it. */
  readonly optional?: boolean;
  /** Default all. */
  readonly files?: readonly TrainingFileName[];
}

const FORMS: readonly TestedForm[] = [
  { label: 'onnxruntime cpu, a step a call' },
  { label: 'onnxruntime cpu, Scan' },
  // The accelerator takes what has a sparse code.
  { label: 'onnxruntime cpu, sparse update', files: ['sae-topk', 'sae-batchtopk'] },
  { label: 'wasm' },
  { label: 'cpu' },
  { label: 'tensorflow', optional: true },
  { label: 'webgpu', optional: true },
  // Seconds for each graph on SwiftShader; `npm run reference` runs them all.
  { label: 'onnxruntime webgpu, a step a call', optional: true, files: ['toy-model'] },
  { label: 'onnxruntime webgpu, Scan', optional: true, files: ['sae-topk'] },
];

/** Outputs, loss and gradients, or losses and parameters after three counts of steps. */
const LEAST_CHECKS = 7;

async function checksOf(file: string, forms: readonly EngineForm[]): Promise<Check[]> {
  const checks: Check[] = [];
  for await (const check of checkFile(join(FOLDER, file), forms)) checks.push(check);
  return checks;
}

function failures(checks: readonly Check[]): string[] {
  return checks.filter(({ passed }) => !passed).map(({ what, detail }) => `${what}: ${detail}`);
}

describe('engines against PyTorch', () => {
  let forms: EngineForms;

  before(async () => {
    await useSwiftShader().catch(() => {});
    forms = await findEngineForms();
  });

  for (const { label, optional = false, files = TRAINING_FILES } of FORMS) {
    for (const name of files) {
      it(`${label} trains ${name} as PyTorch does`, async function () {
        const form = forms.present.find(candidate => candidate.label === label);
        if (!form && optional) {
          const absent = forms.absent.find(candidate => label.startsWith(candidate.label));
          this.test!.title += ` (not here: ${absent?.reason})`;
          this.skip();
        }
        const checks = await checksOf(`${name}.json`, [form!]);
        expect(failures(checks)).to.deep.equal([]);
        expect(checks.length).to.be.at.least(LEAST_CHECKS);
      });
    }
  }

  for (const name of ['geometric-median', 'metrics', 'schedules']) {
    it(`computes ${name} as PyTorch does`, async () => {
      const checks = await checksOf(`${name}.json`, []);
      expect(failures(checks)).to.deep.equal([]);
      expect(checks.length).to.be.at.least(6);
    });
  }
});

describe('npm run reference', () => {
  const folder = mkdtempSync(join(tmpdir(), 'reference-'));
  const run = (...args: readonly string[]) => {
    const script = fileURLToPath(new URL('../../scripts/reference.ts', import.meta.url));
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', script, ...args], {
      encoding: 'utf8',
    });
    return { status, lines: stdout.trimEnd().split('\n'), stderr };
  };
  const change = (name: string, edit: (contents: string) => string): void => {
    writeFileSync(join(folder, name), edit(readFileSync(join(FOLDER, name), 'utf8')));
  };

  after(() => rmSync(folder, { recursive: true }));

  it('walks folders, tells a file by what it holds, and succeeds where nothing failed', () => {
    cpSync(join(FOLDER, 'schedules.json'), join(folder, 'schedules.json'));
    mkdirSync(join(folder, 'deeper'));
    cpSync(join(FOLDER, 'sae-topk.json'), join(folder, 'deeper', 'renamed.json'));
    cpSync(join(FOLDER, 'saelens', 'topk'), join(folder, 'deeper', 'topk'), { recursive: true });
    const { status, lines } = run(folder, '--engine', 'cpu');
    expect(status).to.equal(0);
    expect(lines.at(-1)).to.match(/^(\d\d) passed, 0 failed$/);
    expect(lines.filter(line => line.startsWith('passed'))).to.have.length(Number.parseInt(lines.at(-1)!, 10));
    for (const file of ['deeper/renamed.json', 'deeper/topk/io.json', 'schedules.json']) {
      expect(lines.join('\n')).to.include(`passed    ${file}`);
    }
  });

  it('counts a file that nobody knows as failed', () => {
    const strange = join(folder, 'strange.json');
    writeFileSync(strange, '{"inputs": {"x": [1]}, "expected": {"y": [2]}}');
    const { status, lines } = run(folder, '--engine', 'cpu');
    rmSync(strange);
    expect(status).to.equal(1);
    expect(lines.filter(line => line.startsWith('FAILED')).join()).to.match(/strange\.json .*nothing here knows/);
  });

  it('fails for one figure that is off by more than the tolerance, and for a file that is cut short', () => {
    change('schedules.json', text => text.replace('0.6561', '0.65612'));
    expect(run(folder, '--engine', 'cpu').lines.at(-1)).to.match(/^\d\d passed, 1 failed$/);
    change('schedules.json', text => text.replace('0.6561', '0.656101'));
    rmSync(join(folder, 'deeper'), { recursive: true });
    change('sae-topk.json', text => text.slice(0, 1000));
    const { status, lines } = run(folder, '--engine', 'cpu');
    expect(status).to.equal(1);
    expect(lines.at(-1)).to.match(/^\d passed, 1 failed$/);
    expect(lines.join('\n')).to.match(/FAILED {4}sae-topk\.json .*JSON/);
  });

  it('exits with 2 for wrong usage, with 1 for a folder that is not there', () => {
    expect(run()).to.deep.include({ status: 2 });
    expect(run(folder, '--engine', 'abacus').stderr).to.include('engine "abacus" does not exist');
    const missing = run(join(folder, 'missing'));
    expect(missing.status).to.equal(1);
    expect(missing.stderr).to.include(join(folder, 'missing'));
  });
});
