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
import type { AnalysisApi } from './analysis-api.ts';

interface Directions {
  /** The directions as they were given. */
  readonly raw: HostTensor;
  /**
   * 1 / norm of each row, and 0 for a zero row; undefined until a cosine is asked for. Keeping these takes less memory than
   * keeping the rows scaled to norm 1, which would be as large as the rows themselves.
   */
  inverseNorms: Float64Array | undefined;
}

function inverseNormsOf({ data, shape }: HostTensor): Float64Array {
  const [count, width] = shape as [number, number];
  const inverse = new Float64Array(count);
  for (let row = 0; row < count; row++) {
    let squares = 0;
    for (let at = row * width; at < (row + 1) * width; at++) squares += data[at]! ** 2;
    inverse[row] = squares > 0 ? 1 / Math.sqrt(squares) : 0;
  }
  return inverse;
}

/** The most directions from which the two principal components of the map are computed; of more, each n-th is taken. */
const MOST_FOR_COMPONENTS = 4096;

/** Rows `first` to `first + count`, a copy that nobody shares. */
function rowsOf({ raw: { data, shape } }: Directions, first: number, count: number): HostTensor {
  const width = shape[1]!;
  return { data: Float32Array.from(data.subarray(first * width, (first + count) * width)), shape: [count, width] };
}

const inverseNorms = (directions: Directions): Float64Array => {
  directions.inverseNorms ??= inverseNormsOf(directions.raw);
  return directions.inverseNorms;
};

/** A row scaled to norm 1; a zero row stays zero. */
function unitRow(directions: Directions, row: number): Float32Array {
  const scale = inverseNorms(directions)[row]!;
  return rowsOf(directions, row, 1).data.map(value => value * scale);
}

/** Gives the cosine of a row of `left` with a row of `right`, summed in float64. */
function cosinesBetween(left: Directions, right: Directions): (i: number, j: number) => number {
  const [a, b] = [left.raw.data, right.raw.data];
  const [ofA, ofB] = [inverseNorms(left), inverseNorms(right)];
  const width = left.raw.shape[1]!;
  return (i, j) => {
    let product = 0;
    const [atA, atB] = [i * width, j * width];
    for (let d = 0; d < width; d++) product += a[atA + d]! * b[atB + d]!;
    return product * ofA[i]! * ofB[j]!;
  };
}

/** Makes the methods of the analysis worker. */
export function createAnalysis(): AnalysisApi {
  const models = new Map<string, Directions>();
  const runs = new Map<string, FiringRun>();
  let following = 0;

  const directions = (id: string): Directions => {
    const found = models.get(id);
    if (!found) throw new Error('the model is no longer open');
    return found;
  };
  const runOf = (id: string): FiringRun => {
    const found = runs.get(id);
    if (!found) throw new Error('the rows are no longer open');
    return found;
  };

  return {
    add(id, tensor) {
      models.set(id, { raw: tensor, inverseNorms: undefined });
    },
    forget(id) {
      models.delete(id);
    },
    directionOf(id, latent) {
      return rowsOf(directions(id), latent, 1).data;
    },
    directionsOf(id, first, count) {
      const rows = rowsOf(directions(id), first, count);
      return transfer(rows, [rows.data.buffer as ArrayBuffer]);
    },
    allDirections: id => directions(id).raw,
    nearest(id, latent, count) {
      const own = directions(id);
      const cosineOf = cosinesBetween(own, own);
      const best: Neighbour[] = [];
      for (let other = 0; other < own.raw.shape[0]!; other++) {
        if (other === latent) continue;
        const cosine = cosineOf(latent, other);
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
      const own = directions(id);
      const [count, width] = own.raw.shape as [number, number];
      const step = Math.max(1, Math.ceil(count / MOST_FOR_COMPONENTS));
      const some = new Float32Array(Math.ceil(count / step) * width);
      for (let i = 0; i * step < count; i++) some.set(unitRow(own, i * step), i * width);
      const basis = principalPlane({ data: some, shape: [some.length / width, width] });
      const points = new Float32Array(2 * count);
      let total = 0;
      let [alongX, alongY] = [0, 0];
      for (let row = 0; row < count; row++) {
        const vector = unitRow(own, row);
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
    pairs(a, b, forward, backward, same) {
      const cosineOf = cosinesBetween(directions(a), directions(b));
      const oneWay = (nearest: Int32Array, cosines: Float32Array) => {
        const alone = Int32Array.from(cosines.keys()).filter(i => !(cosines[i]! > same));
        return { nearest, cosines, alone: alone.sort((i, j) => cosines[i]! - cosines[j]! || i - j) };
      };
      const ofA = oneWay(
        forward,
        Float32Array.from(forward, (j, i) => cosineOf(i, j)),
      );
      const ofB = oneWay(
        backward,
        Float32Array.from(backward, (i, j) => cosineOf(i, j)),
      );
      const mutual = Int32Array.from(forward.keys()).filter(i => backward[forward[i]!] === i);
      mutual.sort((i, j) => ofA.cosines[j]! - ofA.cosines[i]! || i - j);
      return transfer({ forward: ofA, backward: ofB, mutual });
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
