/** The commands that work on a host model, as a person types them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { readNpy, writeNpy } from '../../src/files/npy.ts';
import { runCommand } from './run-command.ts';

const pathOf = (name: string) => fileURLToPath(new URL(`../host/language-model/${name}`, import.meta.url));
const scores = JSON.parse(readFileSync(pathOf('scores.json'), 'utf8')) as { tensor: string } & Record<string, number>;
const { tensor } = scores;
const { without_long: withoutLong } = scores as unknown as { readonly without_long: Record<string, number> };
const FUSED = pathOf('fused.onnx');
const OVER = ['--tensor', tensor, '--input', pathOf('ids.npy'), '--mask', pathOf('mask.npy')];

/** A tokenizer of words. */
const WORDS = {
  version: '1.0',
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'Whitespace' },
  post_processor: null,
  decoder: null,
  model: { type: 'WordLevel', vocab: { a: 0, b: 1 }, unk_token: 'a' },
};

/** Runs a command that must succeed, and gives what it printed. */
async function done(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await runCommand(args);
  expect(stderr, args.join(' ')).to.equal('');
  expect(status, args.join(' ')).to.equal(0);
  return stdout;
}

describe('command line, host models', () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'host-commands-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('lists hidden tensors, the residual stream marked', async () => {
    expect(await done('tensors', FUSED)).to.match(/^\* +\/b0\/Add_3_output_0 +float32 +\[batch, \?, 24\]/m);
    const list = JSON.parse(await done('tensors', FUSED, '--json')) as { name: string; residual: boolean }[];
    expect(list.find(({ name }) => name === tensor)?.residual).to.equal(true);
  });

  it('writes activations', async () => {
    await done('activations', FUSED, ...OVER, '--output', at('acts.npy'));
    const [found, expected] = [at('acts.npy'), pathOf('activations.npy')].map(file => readNpy(readFileSync(file)));
    expect(found!.shape).to.deep.equal(expected!.shape);
    found!.data.forEach((value, i) => {
      expect(value).to.be.closeTo(expected!.data[i]!, 1e-5);
    });
  });

  it('writes over activations, or goes on with them, only where that is said', async () => {
    const command = ['activations', FUSED, ...OVER, '--output', at('again.npy')];
    const refused = async (more: readonly string[], status: number, words: RegExp) => {
      const result = await runCommand([...command, ...more]);
      expect(result.stderr).to.match(words);
      expect(result.stderr.trim().split('\n')).to.have.length(1);
      expect(result.status).to.equal(status);
    };
    await refused(['--resume'], 1, /again\.npy: there is no earlier run to resume/);
    await done(...command);
    await refused([], 1, /again\.npy: is there already: overwrite replaces/);
    await done(...command, '--resume');
    await done(...command, '--overwrite');
    await refused(['--overwrite', '--resume'], 2, /'--resume' cannot be used with option '--overwrite'/);
  });

  it('scores an autoencoder', async () => {
    const found = JSON.parse(await done('evaluate', pathOf('sae.onnx'), '--model', FUSED, ...OVER, '--json'));
    for (const [key, value] of Object.entries(scores)) {
      if (typeof value === 'number') expect(found[key], key).to.be.closeTo(value, 1e-4);
    }
    expect(await done('evaluate', pathOf('sae.onnx'), '--model', FUSED, ...OVER)).to.include(
      '5 of 64 latents did not fire in 222 rows',
    );
  });

  it('scores an autoencoder with long activations left as the model has them', async () => {
    const { drop_norm_above: limit, ce_sae: entropy } = withoutLong;
    const dropped = [...OVER, '--drop-norm-above', String(limit)];
    const found = JSON.parse(await done('evaluate', pathOf('sae.onnx'), '--model', FUSED, ...dropped, '--json'));
    expect(found['ce_sae']).to.be.closeTo(entropy!, 1e-4);
    expect(await done('evaluate', pathOf('sae.onnx'), '--model', FUSED, ...dropped)).to.match(
      /37 positions above 1\.\d+ times the median norm kept the model's own activation and are not counted/,
    );
  });

  it('splices an autoencoder, and the merged file is a model of its own', async () => {
    const words = await done(
      'splice',
      FUSED,
      pathOf('sae.onnx'),
      '--tensor',
      tensor,
      '--output',
      at('merged.onnx'),
      '--steer',
    );
    expect(words).to.include('features_delta').and.include('attention_mask is 0');
    const { inputs, outputs } = JSON.parse(await done('inspect', at('merged.onnx'), '--json'));
    expect(inputs.map(({ name }: { name: string }) => name)).to.deep.equal([
      'input_ids',
      'attention_mask',
      'features_delta',
    ]);
    expect(outputs.map(({ name }: { name: string }) => name)).to.deep.equal(['logits', 'features']);
  });

  const fails = (title: string, args: () => string[], status: number, words: string): void => {
    it(`says in one line ${title}`, async () => {
      const result = await runCommand(args());
      expect(result.status).to.equal(status);
      expect(result.stderr.trim().split('\n')).to.have.length(1);
      expect(result.stderr).to.include(words);
      expect(result.stdout).to.equal('');
    });
  };
  const sae = pathOf('sae.onnx');
  fails(
    'which names are near',
    () => ['splice', FUSED, sae, '--tensor', '/b0/Add3', '--output', at('x.onnx')],
    1,
    '/b0/Add_3_output_0',
  );
  fails(
    'that nothing was given to run over',
    () => ['activations', FUSED, '--tensor', tensor, '--output', at('x.npy')],
    2,
    '--input or --text',
  );
  const text = (...more: string[]) => ['activations', FUSED, '--tensor', tensor, ...more, '--output', at('x.npy')];
  fails(
    'which inputs there are',
    () => text('--input', `ids=${pathOf('ids.npy')}`),
    2,
    'the model has no input ids, and there is no such file; its inputs are input_ids, attention_mask',
  );
  fails(
    'that a text is empty',
    () => {
      writeFileSync(at('empty.txt'), '\n\n');
      writeFileSync(at('tokenizer.json'), JSON.stringify(WORDS));
      return text('--text', at('empty.txt'), '--tokenizer', at('tokenizer.json'));
    },
    1,
    'empty.txt: there is no text in it',
  );
  fails(
    'that texts have no labels',
    () => [
      ...['evaluate', pathOf('sae.onnx'), '--model', FUSED, '--tensor', tensor, '--labels', at('labels.npy')],
      ...['--text', at('empty.txt'), '--tokenizer', at('tokenizer.json')],
    ],
    2,
    '--labels goes with --input',
  );
  fails(
    'that text is nothing for a model of images',
    () => [
      ...['activations', pathOf('../hosts/image.onnx'), '--tensor', 'hidden', '--output', at('x.npy')],
      ...['--text', at('empty.txt'), '--tokenizer', at('tokenizer.json')],
    ],
    1,
    'the model reads image, float32 [batch, 3, height, width]',
  );
  fails('that the output is no .npy', () => ['activations', FUSED, ...OVER, '--output', at('x.csv')], 2, '.npy');
  fails(
    'that text needs a tokenizer',
    () => ['activations', FUSED, '--tensor', tensor, '--text', sae, '--output', at('x.npy')],
    2,
    '--tokenizer',
  );
  fails(
    'that the mask has another shape',
    () => {
      writeFileSync(at('mask.npy'), writeNpy({ data: new Float32Array(24 * 3).fill(1), shape: [24, 3] }));
      return [
        'activations',
        FUSED,
        '--tensor',
        tensor,
        '--input',
        pathOf('ids.npy'),
        '--mask',
        at('mask.npy'),
        '--output',
        at('x.npy'),
      ];
    },
    1,
    'the mask is [24, 3]',
  );
});
