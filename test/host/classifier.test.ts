/** Scores of a classifier, against what is computed by hand from its probabilities. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { InvalidValueError } from '../../src/errors.ts';
import { evaluate, type HostInputs, openHost } from '../../src/host/index.ts';
import { smallSae } from './small-sae.ts';

const FILE = new URL('hosts/image.onnx', import.meta.url).pathname;
const { tensor, inputs, activations } = JSON.parse(
  readFileSync(new URL('hosts/image.json', import.meta.url), 'utf8'),
) as {
  tensor: string;
  inputs: HostInputs;
  activations: { shape: number[]; data: number[] };
};
const [batch = 0, width = 0, height = 0, across = 0] = activations.shape;
const inner = height * across;
const sae = smallSae(width, 7, 2);
const LABELS = [2, 0, 3];

/** The tensor with each row of channels changed. */
function changed(change: (row: number[]) => ArrayLike<number>): Float32Array {
  const data = Float32Array.from(activations.data);
  for (let sample = 0; sample < batch; sample++) {
    for (let at = 0; at < inner; at++) {
      const place = (i: number) => (sample * width + i) * inner + at;
      const row = Array.from({ length: width }, (_, i) => activations.data[place(i)]!);
      Array.from(change(row)).forEach((value, i) => {
        data[place(i)] = value;
      });
    }
  }
  return data;
}

describe('scores of a classifier', () => {
  it('are those computed by hand, against labels and against its own answer', async () => {
    await using host = await openHost(FILE);
    const run = async (data: Float32Array) => {
      const value = { data, shape: activations.shape };
      const { probabilities } = await host.run(inputs, { replace: { [tensor]: value } });
      return Array.from({ length: batch }, (_, row) => Array.from(probabilities!.data).slice(4 * row, 4 * row + 4));
    };
    const means = Array.from({ length: width }, (_, i) => {
      const own = activations.data.filter((_, at) => Math.floor(at / inner) % width === i);
      return own.reduce((sum, value) => sum + value, 0) / own.length;
    });
    const [original, through, zero, mean] = [
      await run(Float32Array.from(activations.data)),
      await run(changed(row => sae.decode(sae.encode(row)))),
      await run(changed(row => row.map(() => 0))),
      await run(changed(() => means)),
    ];
    const entropy = (p: number[][], classes: number[]) =>
      p.reduce((sum, row, i) => sum - Math.log(row[classes[i]!]!), 0) / batch;
    const divergence = (q: number[][]) =>
      original.reduce((sum, row, i) => sum + row.reduce((all, p, k) => all + p * Math.log(p / q[i]![k]!), 0), 0) /
      batch;
    const own = original.map(row => row.indexOf(Math.max(...row)));

    for (const [labels, classes] of [
      [{ data: LABELS, shape: [batch] }, LABELS],
      [undefined, own],
    ] as const) {
      const scores = await evaluate(host, sae.bytes, inputs, { tensor, labels, channelsAxis: 1 });
      expect(scores.task).to.equal('classifier');
      expect(scores.logits).to.equal('scores');
      const by: [keyof typeof scores, number][] = [
        ['ce_original', entropy(original, [...classes])],
        ['ce_sae', entropy(through, [...classes])],
        ['ce_zero', entropy(zero, [...classes])],
        ['ce_mean', entropy(mean, [...classes])],
        ['kl_sae', divergence(through)],
        ['kl_zero', divergence(zero)],
        ['kl_mean', divergence(mean)],
        ['top1_agreement_sae', through.filter((row, i) => row.indexOf(Math.max(...row)) === own[i]).length / batch],
        ['rows', batch * inner],
      ];
      for (const [name, value] of by) expect(scores[name], name).to.be.closeTo(value, 1e-5);
    }
  });

  it('need labels that are classes', async () => {
    const wrong = await evaluate(FILE, sae.bytes, inputs, {
      tensor,
      channelsAxis: 1,
      labels: { data: [0, 1, 9], shape: [3] },
    }).catch((error: unknown) => error);
    expect(wrong).to.be.instanceOf(InvalidValueError).with.property('message').that.includes('9');
  });
});
