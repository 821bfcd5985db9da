/** The thread that computes a start, with ONNX Runtime for comparisons of many directions. */
import { restoreRandomSource } from '../../data/random-source.ts';
import { DisposedError } from '../../errors.ts';
import { type CosineQuestion, startingDirections } from '../../models/initialisation.ts';
import type { Graph } from '../../onnx/graph.ts';
import { encodeModel } from '../../onnx/write.ts';
import { loadNodeRuntime } from '../../sessions/node.ts';
import { openSession } from '../../sessions/session.ts';
import type { HostTensor } from '../../tensor.ts';
import { ownNodePort } from '../../workers/node.ts';
import { transfer } from '../../workers/protocol.ts';
import { serve } from '../../workers/serve.ts';
import { type DirectionsRequest, type DrawnDirections, type OnShare, startHere } from './start-work.ts';

/** StartWork, whose calls each get four shared bytes; the caller sets them to a value other than 0 to end the call. */
export interface StartApi {
  geometricMedian(points: HostTensor, onShare: OnShare, stop: SharedArrayBuffer): Promise<HostTensor>;
  directions(request: DirectionsRequest, onShare: OnShare, stop: SharedArrayBuffer): Promise<DrawnDirections>;
}

/** Wraps `onShare` so that it also ends the work where the caller has asked for that. */
function checking(onShare: OnShare, stop: SharedArrayBuffer): OnShare {
  const flag = new Int32Array(stop);
  return share => {
    if (Atomics.load(flag, 0) !== 0) throw new DisposedError('what was to start is not wanted any more');
    onShare(share);
  };
}

serve(ownNodePort(), {
  geometricMedian: (points, onShare, stop) => startHere.geometricMedian(points, checking(onShare, stop)),
  async directions({ kind, random: state, ...options }, onShare, stop) {
    const tell = checking(onShare, stop);
    const random = restoreRandomSource(state);
    const asking = startingDirections(kind, { ...options, random });
    let cosines: Cosines | undefined;
    try {
      let step = asking.next(new Float32Array(0));
      while (!step.done) {
        tell(step.value.done);
        cosines ??= await openCosines(step.value);
        step = asking.next(await cosines.answer(step.value));
      }
      return transfer({ directions: step.value, random: random.state() });
    } finally {
      await cosines?.dispose();
    }
  },
} satisfies StartApi);

interface Cosines {
  answer(question: CosineQuestion): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** How many rows' products with a block are held at once; larger pieces would not stay in a processor's cache. */
const ROWS_AT_ONCE = 4096;

async function openCosines({ rows, dIn }: CosineQuestion): Promise<Cosines> {
  const runtime = await loadNodeRuntime();
  const { session } = await openSession(runtime, encodeModel(largestProducts(dIn)), { provider: 'cpu' });
  const { Tensor } = runtime.ort;
  const count = rows.length / dIn;
  return {
    async answer({ chosen }) {
      const largest = new Float32Array(count);
      const block = new Tensor('float32', chosen, [chosen.length / dIn, dIn]);
      for (let from = 0; from < count; from += ROWS_AT_ONCE) {
        const to = Math.min(from + ROWS_AT_ONCE, count);
        const part = new Tensor('float32', rows.subarray(from * dIn, to * dIn), [to - from, dIn]);
        const { products } = await session.run({ rows: part, chosen: block });
        largest.set(products!.data as Float32Array, from);
      }
      return largest;
    },
    dispose: () => session.dispose(),
  };
}

/** A graph that computes the largest entry in each row of rows · chosenᵀ. */
function largestProducts(dIn: number): Graph {
  return {
    name: 'largest-products',
    nodes: [
      { op: 'Gemm', inputs: ['rows', 'chosen'], outputs: ['all'], attributes: { transB: 1 } },
      { op: 'ReduceMax', inputs: ['all'], outputs: ['products'], attributes: { axes: [1], keepdims: 0 } },
    ],
    initializers: [],
    inputs: [
      { name: 'rows', type: 'float32', shape: ['n', dIn] },
      { name: 'chosen', type: 'float32', shape: ['m', dIn] },
    ],
    outputs: [{ name: 'products', type: 'float32', shape: ['n'] }],
  };
}
