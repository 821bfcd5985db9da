/**
 * A graph that computes cross-entropy, KL divergence and the likeliest class of many rows of logits, because ONNX
 * Runtime computes exponentials on all cores.
 */
import type { Graph, GraphNode } from '../onnx/graph.ts';
import { encodeModel } from '../onnx/write.ts';
import type { Runtime } from '../sessions/runtime.ts';
import { openSession, type Session } from '../sessions/session.ts';
import type { HostTensor } from '../tensor.ts';

/** Scores of each row. */
export interface RowScores {
  /** −log q(class) in nats. */
  readonly crossEntropy: Float32Array;
  /** KL(original ‖ changed) in nats. */
  readonly divergence: Float32Array;
  /** The likeliest class. */
  readonly likeliest: Int32Array;
}

const node = (op: string, inputs: string[], output: string, attributes: GraphNode['attributes'] = {}): GraphNode => ({
  op,
  inputs,
  outputs: [output],
  attributes,
});

/** KL = Σ p (log p − log q), where a class with p = 0 counts nothing even if log p is −∞. */
function scoreGraph(): Graph {
  const rows = ['rows', 'classes'] as const;
  return {
    name: 'scores',
    inputs: [
      { name: 'original', type: 'float32', shape: rows },
      { name: 'changed', type: 'float32', shape: rows },
      { name: 'class', type: 'int64', shape: ['rows', 1] },
    ],
    initializers: [
      { name: 'last', type: 'int64', shape: [1], data: [1] },
      { name: 'zero', type: 'float32', shape: [], data: [0] },
    ],
    nodes: [
      node('LogSoftmax', ['original'], 'log_p', { axis: 1 }),
      node('LogSoftmax', ['changed'], 'log_q', { axis: 1 }),
      node('Exp', ['log_p'], 'p'),
      node('Sub', ['log_p', 'log_q'], 'log_ratio'),
      node('Mul', ['p', 'log_ratio'], 'product'),
      node('Greater', ['p', 'zero'], 'is_possible'),
      node('Where', ['is_possible', 'product', 'zero'], 'terms'),
      node('ReduceSum', ['terms', 'last'], 'kl', { keepdims: 0 }),
      node('GatherElements', ['log_q', 'class'], 'log_q_class', { axis: 1 }),
      node('Neg', ['log_q_class'], 'ce_column'),
      node('Squeeze', ['ce_column', 'last'], 'ce'),
      node('ArgMax', ['changed'], 'likeliest', { axis: 1, keepdims: 0 }),
    ],
    outputs: [
      { name: 'kl', type: 'float32', shape: ['rows'] },
      { name: 'ce', type: 'float32', shape: ['rows'] },
      { name: 'likeliest', type: 'int64', shape: ['rows'] },
    ],
  };
}

/** How many logits are scored at once: 32 MiB. */
const VALUES_AT_ONCE = 2 ** 23;

/** Scores rows of logits against the original's. */
export class RowScorer {
  readonly #runtime: Runtime;
  readonly #session: Session;

  private constructor(runtime: Runtime, session: Session) {
    this.#runtime = runtime;
    this.#session = session;
  }

  static async open(runtime: Runtime): Promise<RowScorer> {
    const { session } = await openSession(runtime, encodeModel(scoreGraph()), { provider: runtime.candidates.at(-1)! });
    return new RowScorer(runtime, session);
  }

  /**
   * Scores rows of a changed model.
   * @param original rows [n, classes] of the original model
   * @param changed the same rows of the changed model
   * @param classes [n], the class of each row
   */
  async score(original: HostTensor, changed: HostTensor, classes: Int32Array): Promise<RowScores> {
    const { Tensor } = this.#runtime.ort;
    const width = original.shape.at(-1)!;
    const count = classes.length;
    const scores = {
      crossEntropy: new Float32Array(count),
      divergence: new Float32Array(count),
      likeliest: new Int32Array(count),
    };
    const atOnce = Math.max(1, Math.floor(VALUES_AT_ONCE / width));
    for (let start = 0; start < count; start += atOnce) {
      const end = Math.min(count, start + atOnce);
      const rows = ({ data }: HostTensor) =>
        new Tensor('float32', data.subarray(start * width, end * width), [end - start, width]);
      const classTensor = new Tensor('int64', BigInt64Array.from(classes.subarray(start, end), BigInt), [
        end - start,
        1,
      ]);
      const results = await this.#session.run({ original: rows(original), changed: rows(changed), class: classTensor });
      scores.crossEntropy.set(results['ce']!.data as Float32Array, start);
      scores.divergence.set(results['kl']!.data as Float32Array, start);
      scores.likeliest.set(Int32Array.from(results['likeliest']!.data as BigInt64Array, Number), start);
    }
    return scores;
  }

  dispose(): Promise<void> {
    return this.#session.dispose();
  }
}
