import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { writeNpy } from '../../src/files/npy.ts';
import { runCommand } from './run-command.ts';

const COMMANDS = [
  'inspect',
  'encode',
  'decode',
  'directions',
  'convert',
  'verify',
  'plot',
  'train',
  'sweep',
  'worker',
  'tensors',
  'activations',
  'evaluate',
  'splice',
  'dashboard',
  'engines',
  'view',
  'example',
];

describe('command line', () => {
  it('lists its commands and ends with status 0 for --help and --version', async () => {
    const help = await runCommand(['--help']);
    expect(help).to.include({ status: 0, stderr: '' });
    for (const name of COMMANDS) expect(help.stdout).to.match(new RegExp(`^  ${name} `, 'm'));
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await runCommand(['--version'])).to.deep.equal({ status: 0, stdout: `${version}\n`, stderr: '' });
  });

  for (const name of COMMANDS) {
    it(`explains ${name}, in lines that fit a terminal`, async () => {
      const { status, stdout } = await runCommand([name, '--help']);
      expect(status).to.equal(0);
      expect(stdout).to.include(`Usage: monosemantic ${name}`);
      for (const line of stdout.split('\n')) expect(line.length, line).to.be.at.most(110);
    });
  }

  it('prints its help with status 2 where no command is named', async () => {
    const { status, stdout, stderr } = await runCommand([]);
    expect([status, stdout]).to.deep.equal([2, '']);
    expect(stderr).to.include('Usage: monosemantic');
  });

  const wrongUsage: readonly (readonly [string[], string])[] = [
    [['encod'], "unknown command 'encod' (Did you mean encode?)"],
    [['inspect'], "missing required argument 'file'"],
    [['encode', 'a.onnx'], "required option '--input <file>' not specified"],
    [['encode', 'a.onnx', '--input', 'x.npy', '--inptu', 'x'], "unknown option '--inptu' (Did you mean --input?)"],
    [['encode', 'a.onnx', '--input', 'x.npy', '--threads', '0'], 'expected a positive integer'],
    [['encode', 'a.onnx', '--input', 'x.npy', '--provider', 'tpu'], 'Allowed choices are auto, cuda, webgpu, cpu'],
    [
      ['encode', 'a.onnx', '--input', 'x.npy', '--output', 'f.txt'],
      'expected a name that ends in .npy, .npz, .safetensors',
    ],
    [['encode', 'a.onnx', '--input', 'x.npy', '--output', 'f.txt', '--sparse'], 'expected a name that ends in .npz'],
    [['decode', 'a.onnx', '--input', '-', '--activations', '-'], 'cannot both read stdin'],
    [['convert', 'a', 'b', '--to', 'pickle'], 'Allowed choices are onnx, saelens'],
    [['train', 'gpt'], 'Allowed choices are toy, sae'],
    [['train', 'toy', '--steps', 'many'], 'expected a positive integer'],
    [['train', 'sae', '--activations', 'a.npy', '--toy-model', 'b.onnx'], 'cannot be used with'],
    [['train', 'toy', '--stepz', '1'], "unknown option '--stepz' (Did you mean --steps?)"],
  ];
  for (const [args, message] of wrongUsage) {
    it(`ends with status 2 and one line for \`${args.join(' ')}\``, async () => {
      const { status, stdout, stderr } = await runCommand(args);
      expect([status, stdout]).to.deep.equal([2, '']);
      expect(stderr).to.match(/^monosemantic: [^\n]*\n$/);
      expect(stderr).to.include(message);
    });
  }

  const failures: readonly (readonly [string[], string])[] = [
    [['inspect', 'nowhere.onnx'], 'nowhere.onnx: cannot be read: there is no such file'],
    [['inspect', 'package.json'], 'package.json: not an ONNX model: it looks like JSON'],
    [['inspect', 'src'], 'src: cannot be read: it is a folder'],
    [['encode', 'LICENSE', '--input', 'x.npy'], 'LICENSE: not an ONNX model'],
    [['encode', 'models/toy-model.onnx', '--input', 'x.npy'], 'x.npy: there is no such file'],
    [['encode', 'models/toy-model.onnx', '--input', 'src'], 'src: it is a folder'],
    [['encode', 'models/toy-model.onnx', '--input', 'LICENSE'], 'LICENSE: '],
    [['directions', 'models/toy-model.onnx', '--output', 'no/such/d.npy'], 'd.npy: cannot be written: its folder does'],
    [['convert', 'nowhere', 'x.onnx'], 'nowhere: there is no such file or folder'],
    [
      ['convert', 'models/toy-model.onnx', 'x.onnx'],
      'toy-model.onnx: its metadata do not describe a sparse autoencoder',
    ],
    [['view', 'nowhere.onnx'], '' /* the viewer may not be built, or the file is missing */],
  ];
  for (const [args, message] of failures) {
    it(`ends with status 1 and one line for \`${args.join(' ')}\``, async () => {
      const { status, stdout, stderr } = await runCommand(args);
      expect([status, stdout]).to.deep.equal([1, '']);
      expect(stderr).to.match(/^monosemantic: [^\n]*\n$/);
      expect(stderr).to.include(message);
    });
  }

  it('prints the stack and its causes with --debug alone', async () => {
    const { stderr } = await runCommand(['inspect', 'nowhere.onnx', '--debug']);
    expect(stderr).to.include('\n    at ').and.include('ENOENT');
  });

  it('trains a toy model and an SAE on it with the settings of the scripts', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'monosemantic-train-'));
    try {
      const toyFolder = join(folder, 'toy');
      const toy = await runCommand(['train', 'toy', '--steps', '100', '--out', toyFolder, '--json']);
      expect(toy.status, toy.stderr).to.equal(0);
      const { result } = JSON.parse(toy.stdout);
      expect(result.file).to.equal(join(toyFolder, 'toy-model.onnx'));
      const records = ['--record-every', '20', '--tensorboard'];
      const flags = ['--toy-model', result.file, '--steps', '50', '--out', join(folder, 'sae'), ...records];
      const sae = await runCommand(['train', 'sae', ...flags]);
      expect(sae.status, sae.stderr).to.equal(0);
      expect(sae.stdout).to.match(/SAE: recovered \d of 5 at step 0/);
      expect(sae.stdout).to.match(/MCC 0\.\d+, uniqueness [01]\.\d+, F1 per latent 0\.\d+, shrinkage \d/);
      const lines = (await readFile(join(folder, 'sae', 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
      expect(lines.map(line => JSON.parse(line).step)).to.deep.equal([20, 40, 50]);
      expect(await readdir(join(folder, 'sae', 'tensorboard', 'sae'))).to.have.length(1);
      const inspected = await runCommand(['inspect', join(folder, 'sae', 'sae.onnx'), '--json']);
      expect(JSON.parse(inspected.stdout).metadata.config.training.steps).to.equal(50);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('refuses options that say something of other data than what it trains on', async () => {
    const refused: readonly (readonly [args: readonly string[], line: string])[] = [
      [['--input', 'acts.npy'], '--input goes with --model, and without it a toy model is trained on'],
      [['--skip'], '--skip goes with --model or --activations, and without it a toy model is trained on'],
      [
        ['--activations', 'acts.npy', '--d-sae', '8', '--k', '2', '--text', 'corpus.jsonl'],
        '--text goes with --model, and --activations is what is trained on',
      ],
      [
        ['--activations', 'acts.npy', '--d-sae', '8', '--k', '2', '--no-special-tokens'],
        '--no-special-tokens goes with --model, and --activations is what is trained on',
      ],
    ];
    for (const [args, line] of refused) {
      expect(await runCommand(['train', 'sae', ...args])).to.deep.include({
        status: 2,
        stderr: `monosemantic: ${line}\n`,
      });
    }
  });

  it('trains an SAE, and a transcoder, on what a model computes meanwhile', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'monosemantic-cli-'));
    const at = (name: string): string => fileURLToPath(new URL(`../host/language-model/${name}`, import.meta.url));
    const train = ['train', 'sae', '--model', at('model.onnx'), '--d-sae', '48', '--k', '6', '--batch-size', '64'];
    const tensor = ['--tensor', '/b0/Add_3_output_0'];
    const input = ['--input', at('ids.npy'), '--mask', at('mask.npy')];
    const length = ['--steps', '400', '--json'];
    try {
      expect(await runCommand([...train, ...input])).to.deep.include({
        status: 2,
        stderr: 'monosemantic: --model needs --tensor: `monosemantic tensors` lists what there is\n',
      });
      const without = await runCommand([...train, ...tensor]);
      expect(without).to.deep.include({
        status: 2,
        stderr: 'monosemantic: give either --input or --text with --tokenizer\n',
      });
      const sae = join(folder, 'sae');
      const { status, stdout, stderr } = await runCommand([...train, ...tensor, ...input, ...length, '--out', sae]);
      expect(status, stderr).to.equal(0);
      const { result } = JSON.parse(stdout);
      expect(result.after.explained_variance).to.be.above(result.before.explained_variance).and.above(0.8);
      const model = ['--model', at('model.onnx'), ...tensor, ...input, '--json'];
      const kept = await runCommand(['evaluate', join(sae, 'sae.onnx'), ...model]);
      expect(JSON.parse(kept.stdout).ce_score).to.be.within(0.8, 1.01);

      const target = ['--target-tensor', '/b1/Add_1_output_0', '--skip', '--out', join(folder, 'transcoder')];
      const coder = await runCommand([...train, ...tensor, ...input, ...length, ...target]);
      expect(coder.status, coder.stderr).to.equal(0);
      const { inputs, initializers } = JSON.parse(
        (await runCommand(['inspect', join(folder, 'transcoder', 'sae.onnx'), '--json'])).stdout,
      );
      expect(inputs).to.have.length(1);
      expect(JSON.stringify(initializers)).to.include('W_skip');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('trains an SAE on activations from files, and goes on where it was interrupted', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'monosemantic-train-'));
    try {
      const random = createRandomSource(0);
      for (const name of ['a.npy', 'b.npy']) {
        const data = Float32Array.from({ length: 1000 * 8 }, () => random.normal());
        await writeFile(join(folder, name), writeNpy({ data, shape: [1000, 8] }));
      }
      const files = ['train', 'sae', '--activations', join(folder, '*.npy')];
      const asked = await runCommand([...files, '--out', folder]);
      expect(asked).to.include({ status: 2, stderr: 'monosemantic: --activations needs --d-sae: how many latents\n' });
      const settings = [
        ...files,
        '--d-sae',
        '16',
        '--k',
        '4',
        '--batch-size',
        '64',
        '--steps',
        '600',
        '--checkpoint-every',
        '20',
        '--json',
      ];
      const whole = await runCommand([...settings, '--out', join(folder, 'whole')]);
      expect(whole.status, whole.stderr).to.equal(0);
      const { result } = JSON.parse(whole.stdout);
      expect(result.after.samples).to.equal(100);
      expect(result.after.l0).to.be.at.most(4);
      expect(result.after.explained_variance).to.be.above(result.before.explained_variance);

      const stop = new AbortController();
      const broken = runCommand([...settings, '--out', join(folder, 'broken')], { signal: stop.signal });
      const checkpoint = join(folder, 'broken', 'sae.checkpoint.safetensors');
      while (!existsSync(checkpoint)) await new Promise(resolve => setImmediate(resolve));
      stop.abort();
      expect(await broken).to.include({ status: 130 });
      const resumed = await runCommand([...settings, '--out', join(folder, 'broken'), '--resume']);
      expect(resumed.status, resumed.stderr).to.equal(0);
      const weights = async (run: string) => readFile(join(folder, run, 'sae.onnx'));
      expect((await weights('broken')).equals(await weights('whole'))).to.equal(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
