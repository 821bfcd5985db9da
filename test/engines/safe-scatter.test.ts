/**
 * ONNX Runtime's CPU provider loses updates of ScatterND(reduction=add) where rows repeat and several threads run (onnxruntime #23396,
 * #18048): no graph of ours may hold it, and what stands in its place must be right.
 */
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { compile } from '../../src/compile/compile.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { stepGraph } from '../../src/engines/compiled-step.ts';
import { freezeSae, freezeToyModel } from '../../src/export/freeze.ts';
import { DECODER_FORMS } from '../../src/models/decoder.ts';
import { keepTopK } from '../../src/models/keep-top-k.ts';
import { ParallelToyModel } from '../../src/models/parallel-toy-model.ts';
import { gatherLast, scatterUnique } from '../../src/models/scatter-unique.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import { ToyModel } from '../../src/models/toy-model.ts';
import { onnx } from '../../src/onnx/proto.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import { openSession } from '../../src/sessions/session.ts';
import { type HostTensor, hostTensor } from '../../src/tensor.ts';
import { normals } from '../models/tensors.ts';
import { recordedSteps, SAE_ACTIVATIONS } from '../training/recorded-steps.ts';

/** Every node of a model file, those within Scan bodies too. */
function nodesOf(bytes: Uint8Array): { op: string; attributes: string[] }[] {
  const within = (graph: NonNullable<ReturnType<typeof onnx.ModelProto.decode>['graph']>): ReturnType<typeof nodesOf> =>
    (graph.node ?? []).flatMap(({ opType, attribute = [] }) => [
      { op: opType!, attributes: attribute!.map(({ name }) => name!) },
      ...attribute!.flatMap(({ g }) => (g ? within(g as never) : [])),
    ]);
  return within(onnx.ModelProto.decode(bytes).graph as never);
}

function expectSafe(bytes: Uint8Array, name: string): void {
  const nodes = nodesOf(bytes);
  expect(nodes, name).to.not.be.empty;
  for (const { op, attributes } of nodes) {
    expect(op, name).to.not.match(/^(ScatterND|Scatter)$/);
    if (op === 'ScatterElements') expect(attributes, name).to.not.include('reduction');
  }
}

describe('scatter', () => {
  it('never adds: no training step holds the unsafe form', () => {
    for (const { name, program } of recordedSteps()) expectSafe(encodeModel(stepGraph(program)), name);
  });

  it('never adds: no frozen model holds the unsafe form', () => {
    const random = createRandomSource(1);
    expectSafe(freezeToyModel(new ToyModel({ nFeatures: 5, nHidden: 2 }, random)), 'toy model');
    expectSafe(freezeToyModel(new ParallelToyModel({ nInstances: 2, nFeatures: 5, nHidden: 2 }, random)), 'parallel');
    for (const activation of SAE_ACTIVATIONS) {
      for (const decoder of DECODER_FORMS) {
        expectSafe(
          freezeSae(new SparseAutoencoder({ dIn: 4, dSae: 10, activation, decoder }, random)),
          activation.kind,
        );
      }
    }
  });

  // More than a million placed values, where the unsafe form loses updates in nearly every run.
  const [BATCH, D_SAE, K, D_IN] = [8192, 256, 130, 3];
  const RUNS = 20;

  /** features = the k largest of `pre`; loss = Σ (features · V) ∘ T. */
  const forms = {
    scatterUnique: (pre: tf.Tensor) => {
      const { indices } = tf.topk(pre, K, false);
      const choose = tf.customGrad((x, save) => {
        (save as tf.GradSaveFunc)([indices]);
        return {
          value: gatherLast(x as tf.Tensor, indices),
          gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => scatterUnique(dy, saved[0]!, D_SAE),
        };
      });
      return scatterUnique(choose(pre), indices, D_SAE);
    },
    keepTopK: (pre: tf.Tensor) => keepTopK(pre, K),
  };

  for (const [name, form] of Object.entries(forms)) {
    it(`gradients over ${BATCH * K} values placed by ${name} are right on two threads, ${RUNS} times`, async () => {
      const [pre, V, T] = [normals([BATCH, D_SAE], 1), normals([D_SAE, D_IN], 2), normals([BATCH, D_IN], 3)];
      const expected = denseOracle(pre, V, T, K);
      const graph = compile(
        ({ pre: x, V: rows, T: weights }) => {
          const [dPre, dV] = tf.grads((a, b) => tf.sum(tf.mul(tf.matMul(form(a!), b!), weights!)))([x!, rows!]);
          return { features: form(x!), dPre: dPre!, dV: dV! };
        },
        { inputs: { pre: pre.shape, V: V.shape, T: T.shape } },
      );
      const runtime = await loadNodeRuntime();
      const { session } = await openSession(runtime, encodeModel(graph), { provider: 'cpu', threads: 2 });
      const feed = ({ data, shape }: HostTensor) => new runtime.ort.Tensor('float32', data, shape);
      for (let run = 0; run < RUNS; run++) {
        const results = await session.run({ pre: feed(pre), V: feed(V), T: feed(T) });
        for (const [output, value] of Object.entries(expected)) {
          const { data, dims } = results[output]!;
          expect(dims).to.deep.equal(value.shape);
          // Thousands of numbers are added in float32; one lost update among them is a hundredth.
          expect(largestDifference(data as Float32Array, value.data), `${output}, run ${run}`).to.be.below(2e-4);
        }
      }
      await session.dispose();
    });
  }
});

/** As a share of the larger of 1 and the value; infinite for NaN. */
function largestDifference(a: Float32Array, b: Float32Array): number {
  let largest = 0;
  for (let i = 0; i < b.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!) / Math.max(1, Math.abs(b[i]!));
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return largest;
}

/** The same in float64, entry by entry. */
function denseOracle(pre: HostTensor, V: HostTensor, T: HostTensor, k: number): Record<string, HostTensor> {
  const [batch, dSae] = pre.shape as [number, number];
  const dIn = V.shape[1]!;
  const features = new Float64Array(batch * dSae);
  const dPre = new Float64Array(batch * dSae);
  const dV = new Float64Array(dSae * dIn);
  for (let sample = 0; sample < batch; sample++) {
    const row = pre.data.subarray(sample * dSae, (sample + 1) * dSae);
    const least = row.toSorted()[dSae - k]!;
    for (let latent = 0; latent < dSae; latent++) {
      const value = row[latent]!;
      if (value < least) continue;
      features[sample * dSae + latent] = value;
      for (let i = 0; i < dIn; i++) {
        const weight = T.data[sample * dIn + i]!;
        dPre[sample * dSae + latent]! += weight * V.data[latent * dIn + i]!;
        dV[latent * dIn + i]! += weight * value;
      }
    }
  }
  return {
    features: hostTensor(features, pre.shape),
    dPre: hostTensor(dPre, pre.shape),
    dV: hostTensor(dV, V.shape),
  };
}
