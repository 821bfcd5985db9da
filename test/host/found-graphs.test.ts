/**
 * Graphs as optimisers and hubs write them: caches and int4 products, all layers in one branch, QDQ, half precision, fused embeddings, images
 * in opset 9, float64. make_hosts.py wrote them, with answers by numpy alone.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { openHost, splice } from '../../src/host/index.ts';
import { type HostTensor, sizeOf } from '../../src/tensor.ts';
import { smallSae } from './small-sae.ts';

interface Packed {
  readonly shape: number[];
  readonly data: number[];
}

interface Answers {
  readonly tensor: string;
  readonly tolerance: number;
  readonly inputs: Record<string, Packed>;
  readonly activations: Packed;
  readonly value: Packed;
  readonly outputs: Record<string, Packed>;
  readonly replaced: Record<string, Packed>;
}

const HOSTS = ['cached-int4', 'branch', 'quantised', 'half', 'embed-norm', 'image', 'double'];
const fileOf = (name: string) => new URL(`hosts/${name}.onnx`, import.meta.url).pathname;
const answersOf = (name: string) =>
  JSON.parse(readFileSync(new URL(`hosts/${name}.json`, import.meta.url), 'utf8')) as Answers;

function expectClose(actual: HostTensor<ArrayLike<number>>, expected: Packed, tolerance: number, what: string): void {
  expect([...actual.shape], what).to.deep.equal(expected.shape);
  const scale = Math.max(1, ...expected.data.map(Math.abs));
  let worst = 0;
  expected.data.forEach((value, i) => {
    worst = Math.max(worst, Math.abs(value - actual.data[i]!));
  });
  expect(worst, what).to.be.below(tolerance * scale);
}

for (const name of HOSTS) {
  describe(`host: ${name}`, () => {
    const answers = answersOf(name);
    const { tensor, tolerance, inputs } = answers;

    it('runs, with the inputs that follow from those given', async () => {
      await using host = await openHost(fileOf(name));
      const outputs = await host.run(inputs, { outputs: Object.keys(answers.outputs) });
      for (const [output, expected] of Object.entries(answers.outputs)) {
        expectClose(outputs[output]!, expected, tolerance, output);
      }
    });

    it('gives the tensor', async () => {
      await using host = await openHost(fileOf(name));
      const { [tensor]: found } = await host.run(inputs, { outputs: [tensor] });
      expectClose(found!, answers.activations, tolerance, tensor);
    });

    it('lets the tensor be replaced for every reader', async () => {
      await using host = await openHost(fileOf(name));
      const outputs = await host.run(inputs, {
        outputs: Object.keys(answers.replaced),
        replace: { [tensor]: answers.value },
      });
      for (const [output, expected] of Object.entries(answers.replaced)) {
        expectClose(outputs[output]!, expected, tolerance, output);
      }
    });

    it('takes an autoencoder, whose features and reconstruction are those computed by hand', async () => {
      const { shape, data } = answers.activations;
      const axis = name === 'image' ? 1 : shape.length - 1;
      const width = shape[axis]!;
      const sae = smallSae(width, 2 * width, 3);
      const result = await splice(fileOf(name), sae.bytes, {
        tensor,
        inputs,
        ...(name === 'image' && { channelsAxis: 1 }),
      });

      expect(result.check.bypassed).to.equal(false);

      // By hand: each row through the autoencoder, where it is not padded.
      const inner = sizeOf(shape.slice(axis + 1));
      const mask = inputs['attention_mask']?.data;
      const replaced = Float32Array.from(data);
      const features: number[] = [];
      for (let row = 0; row < data.length / width; row++) {
        const at = (i: number) => (Math.floor(row / inner) * width + i) * inner + (row % inner);
        const code = sae.encode(Array.from({ length: width }, (_, i) => data[at(i)]!));
        features.push(...code);
        if (mask?.[row] === 0) continue;
        sae.decode(code).forEach((value, i) => {
          replaced[at(i)] = value;
        });
      }
      await using host = await openHost(fileOf(name));
      const expected = await host.run(inputs, {
        outputs: Object.keys(answers.outputs),
        replace: { [tensor]: { data: replaced, shape } },
      });

      await using merged = await openHost(await result.bytes());
      const outputs = await merged.run(inputs);
      for (const output of Object.keys(answers.outputs)) {
        const { shape: sizes, data: values } = expected[output]!;
        expectClose(outputs[output]!, { shape: [...sizes], data: Array.from(values) }, 5 * tolerance, output);
      }
      const leading = [...shape.slice(0, axis), ...shape.slice(axis + 1)];
      expectClose(outputs['features']!, { shape: [...leading, sae.dSae], data: features }, 5 * tolerance, 'features');
    });
  });
}
