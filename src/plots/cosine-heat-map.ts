/** Cosine similarity of every latent to every true feature, latents in the order of their optimal matches. */

import { cosineSimilarityMatrix } from '../analysis/cosine-similarity.ts';
import { optimalMatching } from '../analysis/optimal-matching.ts';
import { InvalidShapeError } from '../errors.ts';
import { mostRectangles } from './cell-mark.ts';
import { divergingRamp, ink } from './colours.ts';
import type { Figure, FigureText, Mark, Panel } from './figure.ts';
import { type Matrix, type Numbers, toMatrices, toTensor } from './matrices.ts';

const widest = 640;
const most = 520;
const margin = { top: 10, right: 24, bottom: 40, left: 62 };

/**
 * A heat map from −1 to 1: true features across, latents down. Under optimal (Hungarian) matching the latent of feature j
 * stands in row j, so recovered features are a dark diagonal; unmatched latents follow beneath a thin line, the most
 * similar first. Ticks down the side are the latents' own indices.
 *
 * @param latents [d_sae, d].
 * @param features [n, d].
 * @throws InvalidShapeError where either is not two-dimensional or d differs.
 */
export function plotCosineHeatMap(latents: Numbers, features: Numbers, options: FigureText = {}): Figure {
  const { title = 'Latents and true features', subtitle } = options;
  const cosines = cosineSimilarityMatrix(toTensor(latents), toTensor(features));
  if (cosines.shape.length !== 2) {
    throw new InvalidShapeError(
      `latents and features must be 2D, not batched: similarities of shape [${cosines.shape.join(', ')}]`,
    );
  }
  const similarity = toMatrices(cosines, 'similarities')[0]!;
  const [dSae, n] = [similarity.length, similarity[0]?.length ?? 0];
  if (dSae === 0 || n === 0) throw new InvalidShapeError(`nothing to compare: ${dSae} latents and ${n} true features`);
  const order = rowOrder(similarity, optimalMatching(cosines).latents);
  const cell = Math.min(26, (widest - margin.left - margin.right) / n, Math.max(most / dSae, 1));
  const [plotWidth, plotHeight] = [Math.max(160, cell * n), Math.max(120, cell * dSae)];
  const edges = (count: number): number[] => Array.from({ length: count + 1 }, (_, i) => i - 0.5);
  const cells: Mark = {
    kind: 'cells',
    xEdges: edges(n),
    yEdges: edges(dSae),
    values: order.flatMap(latent => similarity[latent]!),
    ramp: divergingRamp(1),
    ...(dSae * n <= mostRectangles
      ? {
          tooltips: order.flatMap(latent =>
            similarity[latent]!.map((cosine, j) => `latent ${latent}, feature ${j}: cosine ${cosine.toFixed(3)}`),
          ),
        }
      : {}),
  };
  const afterMatched: Mark[] =
    dSae > n ? [{ kind: 'rule', at: n - 0.5, along: 'y', colour: ink.text, width: 0.8 }] : [];
  const rows = every(dSae, plotHeight, 13);
  const panel: Panel = {
    left: 0,
    top: 0,
    width: margin.left + plotWidth + margin.right,
    height: margin.top + plotHeight + margin.bottom,
    margin,
    x: { type: 'linear', domain: [-0.5, n - 0.5], ticks: every(n, plotWidth, 20), label: 'true feature' },
    y: {
      type: 'linear',
      domain: [dSae - 0.5, -0.5],
      ticks: rows,
      tickLabels: rows.map(row => String(order[row]!)),
      label: 'latent, in order of its match',
    },
    frame: true,
    marks: [cells, ...afterMatched],
  };
  return {
    name: 'cosine-heat-map',
    title,
    ...(subtitle === undefined ? {} : { subtitle }),
    width: Math.max(420, panel.width),
    height: panel.height,
    legends: [{ kind: 'ramp', label: 'cosine similarity', ramp: divergingRamp(1), ticks: [-1, 0, 1] }],
    panels: [panel],
  };
}

/** Latents matched to features 0, 1, …, then the others by their largest cosine. */
function rowOrder(similarity: Matrix, matched: Int32Array): number[] {
  const first = [...matched].filter(latent => latent >= 0);
  const taken = new Set(first);
  const largest = similarity.map(row => Math.max(...row));
  const rest = similarity.map((_, latent) => latent).filter(latent => !taken.has(latent));
  return [...first, ...rest.sort((a, b) => largest[b]! - largest[a]!)];
}

function every(count: number, pixels: number, room: number): number[] {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find(step => (pixels * step) / count >= room) ?? count;
  return Array.from({ length: Math.ceil(count / step) }, (_, i) => i * step);
}
