/**
 * The analysis worker. It holds directions and firings and does without ONNX Runtime, so that its answers never wait
 * for a model.
 */

import { cosineSimilarityMatrix } from '../../../src/analysis/cosine-similarity.ts';
import type { HostTensor } from '../../../src/tensor.ts';
import { transfer } from '../../../src/workers/protocol.ts';
import { FiringRun } from '../data/firing-run.ts';
import type { Neighbour } from '../data/firings.ts';
import { type Matching, matchDirections, trainingEvents } from '../data/matching.ts';
import { principalPlane, project } from '../data/plane-basis.ts';
import { turn } from '../data/turn.ts';
import type { AnalysisApi, Comparison } from './analysis-api.ts';

interface Directions {
  /** The directions as they were given. */
  readonly raw: HostTensor;
  /** The directions with rows of norm 1, made when first needed; a row of zeros stays one. */
  unit: Float32Array | undefined;
}

/**
 * How many latents are compared before other questions may be answered: about 40 ms at 512 dimensions and 16,384
 * latents.
 */
const ROWS_PER_TURN = 8;

function unitRows({ data, shape }: HostTensor): Float32Array {
  const width = shape[1]!;
  const unit = data.slice();
  for (let row = 0; row < unit.length; row += width) {
    let squares = 0;
    for (let i = 0; i < width; i++) squares += unit[row + i]! ** 2;
    const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let i = 0; i < width; i++) unit[row + i]! *= scale;
  }
  return unit;
}

/**
 * Computes product = a bᵀ. It takes four rows of each at a time, so that each number read from memory serves four sums.
 */
function multiplyTransposed(a: Float32Array, b: Float32Array, width: number, product: Float32Array): void {
  const rowsA = a.length / width;
  const rowsB = b.length / width;
  for (let i = 0; i < rowsA; i += 4) {
    const [a0, a1, a2, a3] = [0, 1, 2, 3].map(r => Math.min(rowsA - 1, i + r) * width) as [
      number,
      number,
      number,
      number,
    ];
    for (let j = 0; j < rowsB; j += 2) {
      const b0 = j * width;
      const b1 = Math.min(rowsB - 1, j + 1) * width;
      let [s00, s01, s10, s11, s20, s21, s30, s31] = [0, 0, 0, 0, 0, 0, 0, 0];
      for (let k = 0; k < width; k++) {
        const [x, y] = [b[b0 + k]!, b[b1 + k]!];
        const p = a[a0 + k]!;
        s00 += p * x;
        s01 += p * y;
        const q = a[a1 + k]!;
        s10 += q * x;
        s11 += q * y;
        const r = a[a2 + k]!;
        s20 += r * x;
        s21 += r * y;
        const s = a[a3 + k]!;
        s30 += s * x;
        s31 += s * y;
      }
      const sums = [s00, s01, s10, s11, s20, s21, s30, s31];
      for (let r = 0; r < 4 && i + r < rowsA; r++) {
        product[(i + r) * rowsB + j] = sums[2 * r]!;
        if (j + 1 < rowsB) product[(i + r) * rowsB + j + 1] = sums[2 * r + 1]!;
      }
    }
  }
}

/** The number of rows from which the two principal components are computed. */
const MOST_FOR_COMPONENTS = 4096;

/** At most `most` of the tensor's rows, evenly spread. */
function everyNth({ data, shape }: HostTensor, most: number): HostTensor {
  const [count, width] = shape as [number, number];
  const step = Math.ceil(count / most);
  if (step <= 1) return { data, shape };
  const rows = Math.ceil(count / step);
  const picked = new Float32Array(rows * width);
  for (let i = 0; i < rows; i++) picked.set(data.subarray(i * step * width, (i * step + 1) * width), i * width);
  return { data: picked, shape: [rows, width] };
}

/** Makes the methods of the analysis worker. */
export function createAnalysis(): AnalysisApi {
  const models = new Map<string, Directions>();
  const runs = new Map<string, FiringRun>();
  let comparing = 0;
  let following = 0;

  const directions = (id: string): Directions => {
    const found = models.get(id);
    if (!found) throw new Error('the model is no longer open');
    return found;
  };
  const unitOf = (id: string): { unit: Float32Array; count: number; width: number } => {
    const found = directions(id);
    found.unit ??= unitRows(found.raw);
    const [count, width] = found.raw.shape as [number, number];
    return { unit: found.unit, count, width };
  };
  const runOf = (id: string): FiringRun => {
    const found = runs.get(id);
    if (!found) throw new Error('the rows are no longer open');
    return found;
  };

  return {
    add(id, tensor) {
      models.set(id, { raw: tensor, unit: undefined });
    },
    forget(id) {
      models.delete(id);
    },
    directionOf(id, latent) {
      const { data, shape } = directions(id).raw;
      const width = shape[1]!;
      return data.slice(latent * width, (latent + 1) * width);
    },
    nearest(id, latent, count) {
      const { unit, count: rows, width } = unitOf(id);
      const own = unit.subarray(latent * width, (latent + 1) * width);
      const best: Neighbour[] = [];
      for (let other = 0; other < rows; other++) {
        if (other === latent) continue;
        let cosine = 0;
        const at = other * width;
        for (let i = 0; i < width; i++) cosine += own[i]! * unit[at + i]!;
        if (best.length === count && cosine <= best[count - 1]!.cosine) continue;
        const place = best.findIndex(entry => entry.cosine < cosine);
        best.splice(place < 0 ? best.length : place, 0, { latent: other, cosine });
        if (best.length > count) best.pop();
      }
      return best;
    },
    cosines(id, latents) {
      const { data, shape } = directions(id).raw;
      const width = shape[1]!;
      const picked = new Float32Array(latents.length * width);
      latents.forEach((latent, i) => {
        picked.set(data.subarray(latent * width, (latent + 1) * width), i * width);
      });
      const rows = { data: picked, shape: [latents.length, width] };
      const { data: values } = cosineSimilarityMatrix(rows, rows);
      return transfer(values);
    },
    match(id, trueDirections, alive) {
      return matchDirections(directions(id).raw, trueDirections, alive);
    },
    async matchHistory(history, trueDirections) {
      const mine = ++following;
      const matchings: Matching[] = [];
      for (const frame of history.directions) {
        matchings.push(matchDirections(frame, trueDirections));
        await turn();
        if (mine !== following) throw new Error('another history was asked for');
      }
      return { matchings, events: trainingEvents(history, matchings) };
    },
    principalPlane(rows) {
      return principalPlane(rows);
    },
    map(id) {
      const { unit, count, width } = unitOf(id);
      const rows = { data: unit, shape: [count, width] };
      const basis = principalPlane(everyNth(rows, MOST_FOR_COMPONENTS));
      const points = new Float32Array(2 * count);
      let total = 0;
      let [alongX, alongY] = [0, 0];
      for (let row = 0; row < count; row++) {
        const vector = unit.subarray(row * width, (row + 1) * width);
        const [x, y] = project(basis, vector);
        points[2 * row] = x;
        points[2 * row + 1] = y;
        alongX += x * x;
        alongY += y * y;
        for (let i = 0; i < width; i++) total += (vector[i]! - basis.origin[i]!) ** 2;
      }
      const shares = [alongX / (total || 1), alongY / (total || 1)] as const;
      return transfer({ points, shares }, [points.buffer]);
    },
    async compare(a, b, progress) {
      const mine = ++comparing;
      const left = unitOf(a);
      const right = unitOf(b);
      if (left.width !== right.width) {
        throw new Error(`their directions have ${left.width} and ${right.width} dimensions: they cannot be compared`);
      }
      const { width } = left;
      const forward = { nearest: new Int32Array(left.count).fill(-1), cosines: new Float32Array(left.count).fill(-2) };
      const backward = {
        nearest: new Int32Array(right.count).fill(-1),
        cosines: new Float32Array(right.count).fill(-2),
      };
      const block = new Float32Array(ROWS_PER_TURN * right.count);
      for (let i = 0; i < left.count; i += ROWS_PER_TURN) {
        const rows = Math.min(ROWS_PER_TURN, left.count - i);
        multiplyTransposed(left.unit.subarray(i * width, (i + rows) * width), right.unit, width, block);
        for (let row = 0; row < rows; row++) {
          for (let j = 0; j < right.count; j++) {
            const cosine = block[row * right.count + j]!;
            if (cosine > forward.cosines[i + row]!) {
              forward.cosines[i + row] = cosine;
              forward.nearest[i + row] = j;
            }
            if (cosine > backward.cosines[j]!) {
              backward.cosines[j] = cosine;
              backward.nearest[j] = i + row;
            }
          }
        }
        await turn();
        if (mine !== comparing) throw new Error('another comparison was asked for');
        if ((i / ROWS_PER_TURN) % 16 === 0) progress((i + rows) / left.count);
      }
      const mutual: { a: number; b: number; cosine: number }[] = [];
      forward.nearest.forEach((j, i) => {
        if (j >= 0 && backward.nearest[j] === i) mutual.push({ a: i, b: j, cosine: forward.cosines[i]! });
      });
      mutual.sort((x, y) => y.cosine - x.cosine || x.a - y.a);
      return { forward, backward, mutual } satisfies Comparison;
    },
    order({ column, descending, keep }) {
      const indices: number[] = [];
      for (let i = 0; i < column.length; i++) if (!keep || keep[i] === 1) indices.push(i);
      const order = Int32Array.from(indices);
      // A row without a number comes last, whichever way the table is sorted.
      const key = (i: number): number => {
        const value = column[i]!;
        return Number.isNaN(value) ? Number.POSITIVE_INFINITY : descending ? -value : value;
      };
      order.sort((i, j) => {
        const [a, b] = [key(i), key(j)];
        return a < b ? -1 : a > b ? 1 : i - j;
      });
      return transfer(order, [order.buffer]);
    },

    begin(run, settings) {
      runs.set(run, new FiringRun(settings));
    },
    addFirings(run, block) {
      // A block may arrive after its run was dropped.
      runs.get(run)?.add(block);
    },
    sinkRows: run => runOf(run).sinkRows(),
    setSinks: (run, rows, sum) => runOf(run).setSinks(rows, sum),
    summary: run => runOf(run).summary(),
    latent: (run, latent) => runOf(run).latent(latent),
    activations: (run, latent, ranges) => runOf(run).activations(latent, ranges),
    row: (run, row) => runOf(run).row(row),
    together(runA, a, runB, b) {
      const left = runOf(runA).rowsOf(a);
      const right = runOf(runB).rowsOf(b);
      let both = 0;
      for (const row of left) if (right.has(row)) both += 1;
      return { both, either: left.size + right.size - both };
    },
    end(run) {
      runs.delete(run);
    },
  };
}
