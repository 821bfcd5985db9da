import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { FileFormatError, InvalidValueError } from '../../src/errors.ts';
import { loadSaeFolder, saveSaelensFolder } from '../../src/export/load-sae-folder.ts';
import type { Config } from '../../src/export/sae-checkpoint.ts';
import { readSaelens, writeSaelens } from '../../src/export/saelens.ts';
import { readSparsify } from '../../src/export/sparsify.ts';
import { readSafetensors } from '../../src/files/safetensors.ts';
import { fromNested, type NestedArray } from '../../src/tensor.ts';
import { caseFolders, expectClose, readAnswers } from './checkpoint-cases.ts';

const run = promisify(execFile);
const python = process.env['MONOSEMANTIC_PYTHON'] ?? 'python3';

async function checkpoint(name: string, weights = 'sae_weights.safetensors') {
  const folder = caseFolders[name]!;
  const config = JSON.parse(await readFile(join(folder, 'cfg.json'), 'utf8')) as Config;
  const { tensors } = readSafetensors(await readFile(join(folder, weights)));
  return { config, tensors };
}

describe('readSaelens', () => {
  const wrong: [string, string, Config, string][] = [
    ['standard', 'an unknown option', { hypernetwork: 3 }, 'unknown option hypernetwork = 3'],
    ['standard', 'an unknown architecture', { architecture: 'crosscoder' }, "unknown architecture 'crosscoder'"],
    ['standard', 'features that may be negative', { architecture: 'abstopk' }, 'it keeps negative features'],
    [
      'standard',
      'features found in turn',
      { architecture: 'matching_pursuit' },
      "'matching_pursuit' cannot be converted",
    ],
    ['standard', 'features of positions', { architecture: 'temporal' }, "'temporal' cannot be converted"],
    ['standard', 'an architecture from the prototype', { architecture: 'toString' }, "unknown architecture 'toString'"],
    [
      'standard',
      'an unknown normalisation',
      { normalize_activations: 'batch' },
      'unknown normalize_activations "batch"',
    ],
    ['standard', 'an unknown reshaping', { reshape_activations: 'flip' }, 'unknown reshape_activations "flip"'],
    ['standard', 'a flag that is none', { apply_b_dec_to_input: 'no' }, 'apply_b_dec_to_input must be true or false'],
    [
      'standard',
      'a rescaling that has no meaning',
      { rescale_acts_by_decoder_norm: true },
      'not an option of architecture',
    ],
    ['standard', 'dimensions that are not the weights', { d_sae: 47 }, 'W_enc must have shape [16, 47], got [16, 48]'],
    ['standard', 'a dimension that is none', { d_in: -1 }, 'd_in must be positive'],
    ['topk', 'a k beyond d_sae', { k: 49 }, 'k must be less than or equal to d_sae 48, got 49'],
    ['topk', 'a missing k', { k: null }, 'k must be positive'],
    ['jumprelu', 'weights of another architecture', { architecture: 'standard' }, 'unknown tensor threshold'],
    ['standard', 'missing weights', { architecture: 'gated' }, 'no tensor b_gate; there are'],
    [
      'topk-version-3',
      'an old activation function',
      { activation_fn_str: 'tanh-relu' },
      'unknown activation_fn "tanh-relu"',
    ],
    ['topk-version-3', 'signed topk', { activation_fn_kwargs: { k: 3, signed: true } }, 'activation_fn_kwargs.signed'],
  ];
  for (const [name, what, change, message] of wrong) {
    it(`refuses ${what}`, async () => {
      const { config, tensors } = await checkpoint(name);
      const read = () => readSaelens({ ...config, ...change }, tensors, { file: 'x' });
      expect(read).to.throw(FileFormatError, message).with.property('file', 'x');
    });
  }

  it('passes over an unknown option that is off, or that it is told to', async () => {
    const { config, tensors } = await checkpoint('standard');
    expect(readSaelens({ ...config, hypernetwork: false }, tensors).sae.dSae).to.equal(48);
    expect(readSaelens({ ...config, hypernetwork: 3 }, tensors, { ignoreOptions: ['hypernetwork'] }).sae.dSae).to.equal(
      48,
    );
  });

  it('refuses weights that are not finite', async () => {
    const { config, tensors } = await checkpoint('standard');
    tensors.get('W_dec')!.data[5] = Number.NaN;
    expect(() => readSaelens(config, tensors)).to.throw(FileFormatError, 'W_dec holds NaN at 5');
  });

  it('folds a fine-tuned scale of before version 6 into W_dec', async () => {
    const { config, tensors } = await checkpoint('topk-version-3');
    const scale = { type: 'float32' as const, shape: [24], data: Float32Array.from({ length: 24 }, (_, i) => i + 1) };
    const scaled = new Map([...tensors, ['scaling_factor', scale]]);
    const { sae } = readSaelens({ ...config, finetuning_scaling_factor: true }, scaled);
    const original = readSaelens(config, tensors).sae.weights['W_dec']!.data;
    expect(sae.weights['W_dec']!.data[3 * 8 + 2]).to.equal(Math.fround(original[3 * 8 + 2]! * 4));
    expect(() => readSaelens(config, scaled)).to.throw(FileFormatError, 'scaling_factor is not all ones');
  });
});

describe('readSparsify', () => {
  for (const [change, message] of [
    [{ signed: true }, 'unknown option signed = true'],
    [{ activation: 'groupmax' }, 'unknown activation "groupmax"'],
    [{ skip_connection: true }, 'no tensor W_skip'],
    [{ embed_skip: true }, 'unknown option embed_skip'],
    [{ num_latents: 0, expansion_factor: 4 }, 'W_enc must have shape [8, 32]'],
  ] as const) {
    it(`refuses ${JSON.stringify(change)}`, async () => {
      const { config, tensors } = await checkpoint('sparsify', 'sae.safetensors');
      expect(() => readSparsify({ ...config, ...change }, tensors)).to.throw(FileFormatError, message);
    });
  }
});

describe('writeSaelens', () => {
  it('keeps the metadata and refuses what SAELens has no class for', async () => {
    const { config, tensors } = await checkpoint('topk-version-3');
    const { sae } = readSaelens(config, tensors);
    const written = JSON.parse(new TextDecoder().decode(writeSaelens(sae)['cfg.json']));
    expect(written.metadata).to.include({ model_name: 'gpt2-small', hook_name: 'blocks.0.hook_mlp_out' });
    expect(() => writeSaelens({ ...sae, transcoder: true })).to.throw(
      InvalidValueError,
      'no class for a topk transcoder',
    );
  });

  it('writes folders that SAE.load_from_disk accepts, with the same features', async function () {
    try {
      await run(python, ['-c', 'import sae_lens']);
    } catch {
      this.skip(); // needs Python with sae-lens: set MONOSEMANTIC_PYTHON
    }
    const temporary = await mkdtemp(join(tmpdir(), 'monosemantic-'));
    try {
      const names = Object.keys(caseFolders).filter(name => name !== 'sparsify-skip-transcoder');
      for (const name of names) {
        await saveSaelensFolder(join(temporary, name), (await loadSaeFolder(caseFolders[name]!)).sae);
      }
      const { stdout } = await run(
        python,
        ['-c', loadAll, temporary, JSON.stringify(names.map(name => [name, caseFolders[name]]))],
        { maxBuffer: 1e8 },
      );
      const answers = JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, Record<string, NestedArray>>;
      for (const name of names) {
        const { features, reconstruction } = await readAnswers(caseFolders[name]!);
        expectClose(fromNested(answers[name]!['features']!), features, `${name}: features`);
        expectClose(fromNested(answers[name]!['reconstruction']!), reconstruction, `${name}: reconstruction`);
      }
    } finally {
      await rm(temporary, { recursive: true });
    }
  });
});

const loadAll = `
import json, sys, torch
from sae_lens import SAE
answers = {}
for name, folder in json.loads(sys.argv[2]):
    sae = SAE.load_from_disk(f"{sys.argv[1]}/{name}")
    x = torch.tensor(json.load(open(f"{folder}/io.json"))["x"], dtype=torch.float32)
    with torch.no_grad():
        answers[name] = {"features": sae.encode(x).tolist(), "reconstruction": sae(x).tolist()}
print(json.dumps(answers))
`;
