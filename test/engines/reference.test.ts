/** Every engine, provider and form that this machine has against the figures that PyTorch computed. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Check } from '../../scripts/reference/check.ts';
import { checkFile } from '../../scripts/reference/check-file.ts';
import { type EngineForm, type EngineForms, findEngineForms } from '../../scripts/reference/engine-forms.ts';
import { TRAINING_FILES, type TrainingFileName } from '../../scripts/reference/training-file.ts';
import { leaveSwiftShader, useSwiftShader } from '../support/swiftshader.ts';

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

/** Trainings by SAELens's own trainer, and on what they are repeated; `npm run reference` repeats them on everything. */
const SAELENS_FILES = readdirSync(join(FOLDER, 'saelens-training'));
const SAELENS_FORMS: readonly Omit<TestedForm, 'files'>[] = [
  { label: 'onnxruntime cpu, a step a call' },
  { label: 'onnxruntime cpu, Scan' },
  { label: 'onnxruntime cpu, sparse update' },
  { label: 'wasm' },
  { label: 'cpu' },
  { label: 'tensorflow', optional: true },
];
/** Those that the accelerator was made for. */
const SPARSE_FILES = [
  'batchtopk-normalized',
  'batchtopk',
  'jumprelu-step',
  'jumprelu-threshold-at-zero',
  'matryoshka',
  'standard-normalized',
  'standard',
  'topk-gradients-about-1',
  'topk-not-rescaled',
  'topk',
].map(name => `${name}.json`);

/** Outputs, loss and gradients, or losses and parameters after three counts of steps. */
const LEAST_CHECKS = 7;
/** Learning rates, four parameters after five counts of steps, dead latents, losses, their terms, gradient norms, the frozen SAE. */
const LEAST_SAELENS_CHECKS = 32;

/** What of a file of SAELens's a test changes. */
interface SaelensContents {
  architecture: string;
  readonly config: Record<string, unknown>;
  dead_feature_window: number;
  gradient_clip_norm: number;
  normalization: number | null;
  readonly expected: {
    readonly steps: {
      learning_rate: number;
      dead: number;
      loss: number;
      gradient_norm: number;
      readonly losses: Record<string, number>;
    }[];
    readonly parameters_after: Record<string, { topk_threshold: number }>;
  };
  readonly frozen: { readonly reconstruction: number[][] };
}

function contentsOf(name: string): SaelensContents {
  return JSON.parse(readFileSync(join(FOLDER, 'saelens-training', name), 'utf8')) as SaelensContents;
}

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

  after(leaveSwiftShader);
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

  for (const { label, optional = false } of SAELENS_FORMS) {
    for (const name of SAELENS_FILES) {
      if (label.endsWith('sparse update') && !SPARSE_FILES.includes(name)) continue;
      it(`${label} trains as SAELens's trainer does: ${name}`, async function () {
        const form = forms.present.find(candidate => candidate.label === label);
        if (!form && optional) this.skip();
        const checks = await checksOf(`saelens-training/${name}`, [form!]);
        expect(failures(checks)).to.deep.equal([]);
        expect(checks.length).to.be.at.least(LEAST_SAELENS_CHECKS);
      });
    }
  }

  it('covers every architecture that SAELens’s trainings are told by', () => {
    const architectures = SAELENS_FILES.map(name => contentsOf(name).architecture);
    expect(architectures).to.include.members([
      'batchtopk',
      'gated',
      'jumprelu',
      'matryoshka_batchtopk',
      'standard',
      'topk',
    ]);
  });

  describe('tells what of SAELens’s trainings does not agree or is not known', () => {
    const folder = mkdtempSync(join(tmpdir(), 'saelens-training-'));
    const failuresWith = async (name: string, edit: (contents: SaelensContents) => void): Promise<string[]> => {
      const contents = contentsOf(name);
      edit(contents);
      writeFileSync(join(folder, name), JSON.stringify(contents));
      const form = forms.present.find(({ label }) => label === 'onnxruntime cpu, a step a call')!;
      const checks: Check[] = [];
      for await (const check of checkFile(join(folder, name), [form])) checks.push(check);
      return failures(checks);
    };

    after(() => rmSync(folder, { recursive: true }));

    it('an architecture, a setting or a value that nobody knows', async () => {
      const unknown = (edit: (contents: SaelensContents) => void) => failuresWith('topk.json', edit);
      expect((await unknown(contents => (contents.architecture = 'temporal'))).join()).to.match(
        /^the file: architecture "temporal" is unknown here; known are /,
      );
      expect((await unknown(({ config }) => (config['noise'] = 1))).join()).to.include('no setting noise known');
      expect((await unknown(({ config }) => (config['apply_b_dec_to_input'] = false))).join()).to.match(
        /^the file: apply_b_dec_to_input false is not known here/,
      );
    });

    it('each kind of figure', async () => {
      const off = (edit: (contents: SaelensContents) => void) => failuresWith('batchtopk-normalized.json', edit);
      expect(await off(() => {})).to.deep.equal([]);
      const moved = await off(({ expected, frozen }) => {
        const step = expected.steps[20]!;
        step.learning_rate *= 1.1;
        step.gradient_norm *= 1.001;
        step.loss *= 1.001;
        step.losses['auxiliary_reconstruction_loss']! += 0.001;
        for (const seen of expected.steps) seen.dead += 1;
        expected.parameters_after['10']!.topk_threshold += 0.001;
        frozen.reconstruction[3]![2]! += 0.001;
      });
      expect(moved.map(what => what.split(': ')[1])).to.deep.equal([
        'learning rates',
        'topk_threshold after 10 steps',
        'dead latents',
        'losses',
        'losses aux_k',
        'gradient norms',
        'frozen reconstruction',
      ]);
    });

    it('another window, clip, coefficient or scale than SAELens’s', async () => {
      const changed = async (name: string, edit: (contents: SaelensContents) => void, expected: string) =>
        expect((await failuresWith(name, edit)).join('\n'), expected).to.include(expected);
      await changed('topk.json', contents => (contents.dead_feature_window = 4), 'dead latents');
      // Adam does not see by what all gradients were multiplied: the clip shows where it takes some and leaves others.
      await changed(
        'topk-gradients-about-1.json',
        contents => (contents.gradient_clip_norm = 2),
        'W_enc after 3 steps',
      );
      await changed('topk.json', ({ config }) => (config['aux_loss_coefficient'] = 0.9), 'losses aux_k');
      await changed('standard.json', ({ config }) => (config['l1_warm_up_steps'] = 7), 'coefficients l1');
      await changed('standard-normalized.json', contents => (contents.normalization = 1.5), 'losses mse');
    });
  });

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
