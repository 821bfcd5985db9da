/** `verify`: whether an .onnx file computes what the checkpoint that it came from computes. */

import { existsSync } from 'node:fs';
import { createRandomSource } from '../../data/random-source.ts';
import { FileFormatError, InvalidShapeError } from '../../errors.ts';
import { loadSaeFolder } from '../../export/load-sae-folder.ts';
import { applyPlainSae } from '../../export/plain-sae.ts';
import { sha256OfFile } from '../../files/file-hash.ts';
import type { FrozenSae } from '../../models/frozen-sae.ts';
import type { ModelMetadata } from '../../onnx/metadata.ts';
import type { HostTensor } from '../../tensor.ts';
import { openModelFile } from '../open-model.ts';
import type { ModelOptions, ReportOptions } from '../options.ts';
import { openSamples } from '../read-samples.ts';
import { report } from '../report.ts';
import type { Terminal } from '../terminal.ts';

/** Options of `monosemantic verify`. */
export interface VerifyOptions extends ModelOptions, ReportOptions {
  readonly against: string;
  readonly input?: string;
  readonly tensor?: string;
  readonly rows?: number;
  readonly seed?: number;
  readonly tolerance?: number;
  readonly normScalingFactor?: number;
  readonly ignoreOption?: readonly string[];
}

/** How many rows are computed at once. */
const AT_ONCE = 16;
/** Latents that a drawn row is made to fire. */
const LATENTS_PER_ROW = 8;

/** The largest difference of one output, and where it is. */
interface Difference {
  largest: number;
  row: number;
  column: number;
  /** The largest value of the reference, by which differences are measured. */
  scale: number;
}

/**
 * Runs the file and, in plain float64 loops, the checkpoint on the same rows.
 * @throws FileFormatError where their sizes or results differ: beyond `tolerance` times the largest value
 */
export async function verify(file: string, options: VerifyOptions, terminal: Terminal): Promise<void> {
  const {
    against,
    input,
    tensor,
    rows: wanted = 64,
    seed = 0,
    tolerance = 1e-4,
    normScalingFactor,
    ignoreOption,
  } = options;
  const { sae, format, files, notes } = await loadSaeFolder(against, {
    normScalingFactor,
    ...(ignoreOption && { ignoreOptions: ignoreOption }),
  });
  const model = await openModelFile(file, options);
  try {
    const { inputShape, codeShape, reconstructionShape } = model.info;
    const sizes = [inputShape.at(-1), codeShape.at(-1), reconstructionShape.at(-1)];
    if (String(sizes) !== String([sae.dIn, sae.dSae, sae.dOut])) {
      throw new FileFormatError(
        `differs from ${against}: d_in, d_sae and d_out are ${sizes.join(', ')}, there ${sae.dIn}, ${sae.dSae}, ${sae.dOut}`,
        { file },
      );
    }
    const given = input === undefined ? undefined : await openSamples(input, terminal, { tensor });
    try {
      if (given && given.width !== sae.dIn) {
        throw new InvalidShapeError(`${input}: rows of ${given.width}; this model takes [n, ${sae.dIn}]`);
      }
      const count = given ? (options.rows === undefined ? given.rows : Math.min(wanted, given.rows)) : wanted;
      const random = createRandomSource(seed);
      const features = { largest: 0, row: 0, column: 0, scale: 0 };
      const reconstruction = { largest: 0, row: 0, column: 0, scale: 0 };
      let [fired, undecided] = [0, 0];
      for (let start = 0; start < count; start += AT_ONCE) {
        terminal.checkInterruption();
        const n = Math.min(AT_ONCE, count - start);
        const data = given ? await given.read(start, n) : drawRows(sae, n, random);
        const activations: HostTensor = { data, shape: [n, sae.dIn] };
        const expected = applyPlainSae(sae, activations);
        const actual = await model.forward(activations);
        const flipped = new Set<number>();
        // Pre-activations are sums of d_in products: rounding may carry them over a threshold.
        const scale = Math.max(features.scale, largestOf(expected.features));
        expected.features.forEach((value, i) => {
          if (value !== 0) fired++;
          if ((value !== 0) === (actual.code.data[i] !== 0) || expected.margins[i]! > tolerance * scaleOf(scale))
            return;
          flipped.add(Math.floor(i / sae.dSae));
          undecided++;
        });
        compare(expected.features, actual.code.data, sae.dSae, start, features, i => {
          return (
            (expected.features[i] !== 0) !== (actual.code.data[i] !== 0) &&
            expected.margins[i]! <= tolerance * scaleOf(scale)
          );
        });
        compare(expected.reconstruction, actual.reconstruction.data, sae.dOut, start, reconstruction, i =>
          flipped.has(Math.floor(i / sae.dOut)),
        );
      }
      const weights = isOurs(model.info.metadata) ? compareWeights((await loadSaeFolder(file)).sae, sae) : undefined;
      const outputs = [features, reconstruction, ...(weights ? [weights] : [])];
      const differs = outputs.some(({ largest, scale }) => !(largest <= tolerance * scaleOf(scale)));
      const hashes = Object.fromEntries(
        await Promise.all(
          [...withData(file), ...(files ?? [])].map(async path => [path, await sha256OfFile(path)] as const),
        ),
      );
      const source = input === undefined ? `drawn from seed ${seed}` : `of ${input}`;
      const line = (name: string, { largest, row, column, scale }: Difference): string =>
        `${name}: largest difference ${largest.toExponential(1)} (row ${row}, ${column}), of values up to ${scale.toPrecision(3)}`;
      report(
        {
          file,
          against,
          format,
          same: !differs,
          rows: count,
          active_per_row: count === 0 ? 0 : fired / count,
          undecided,
          tolerance,
          features,
          reconstruction,
          ...(weights && { weights }),
          sha256: hashes,
          notes,
        },
        [
          `${count} rows ${source}, ${(count === 0 ? 0 : fired / count).toFixed(1)} latents active in each`,
          line('features', features),
          line('reconstruction', reconstruction),
          ...(weights ? [`weights: largest difference ${weights.largest.toExponential(1)} (${weights.name})`] : []),
          ...(undecided > 0
            ? [`${undecided} latents stand at their threshold, where rounding decides: not compared`]
            : []),
          ...(fired === 0 ? ['note: no latent fired, so little was compared: give rows with --input'] : []),
          ...notes.map(note => `note: ${note}`),
          ...Object.entries(hashes).map(([path, hash]) => `sha256 ${hash}  ${path}`),
          ...(differs ? [] : ['the same']),
        ].join('\n'),
        options,
        terminal,
      );
      if (differs) {
        throw new FileFormatError(
          `differs from ${against}: features by ${features.largest.toExponential(1)}, reconstruction by ` +
            `${reconstruction.largest.toExponential(1)}${weights ? `, ${weights.name} by ${weights.largest.toExponential(1)}` : ''}, more than ${tolerance} of the largest value`,
          { file },
        );
      }
    } finally {
      await given?.close();
    }
  } finally {
    await model.dispose();
  }
}

/** The unit of differences: the largest value, where there is one. */
const scaleOf = (largest: number): number => Math.max(largest, 1e-6);

const largestOf = (values: Float64Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** Whether the file says what its weights are, so that all of them can be compared and not only those that the rows reach. */
const isOurs = ({ kind, config }: ModelMetadata): boolean =>
  kind === 'sparse-autoencoder' && typeof config?.['apply_b_dec_to_input'] === 'boolean';

/** The largest difference of any weight, as a part of the largest of its tensor. */
function compareWeights(actual: FrozenSae, expected: FrozenSae): { name: string; largest: number; scale: number } {
  const worst = { name: 'all alike', largest: 0, scale: 1 };
  const names = new Set([...Object.keys(actual.weights), ...Object.keys(expected.weights)]);
  for (const name of names) {
    const [a, b] = [actual.weights[name]?.data, expected.weights[name]?.data];
    if (!a || !b || a.length !== b.length) return { name, largest: Number.POSITIVE_INFINITY, scale: 1 };
    let [largest, scale] = [0, 0];
    for (let i = 0; i < b.length; i++) {
      // Infinite thresholds are equal where they have the same sign.
      if (Number.isFinite(b[i])) scale = Math.max(scale, Math.abs(b[i]!));
      if (a[i] !== b[i]) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
    }
    const part = largest / scaleOf(scale);
    if (part > worst.largest) Object.assign(worst, { name, largest: part });
  }
  return worst;
}

function compare(
  expected: Float64Array,
  actual: Float32Array,
  width: number,
  start: number,
  into: Difference,
  isLeftOut: (i: number) => boolean,
): void {
  for (let i = 0; i < expected.length; i++) {
    into.scale = Math.max(into.scale, Math.abs(expected[i]!));
    const difference = Math.abs(expected[i]! - actual[i]!);
    // NaN is a difference.
    if (difference <= into.largest || isLeftOut(i)) continue;
    Object.assign(into, { largest: difference, row: start + Math.floor(i / width), column: i % width });
  }
}

/** Rows on which latents fire: each a few encoder directions, long enough to pass their thresholds, and some noise. */
function drawRows(sae: FrozenSae, count: number, random: { uniform(): number; normal(): number }): Float32Array {
  const { dIn, dSae, weights, applyBDecToInput } = sae;
  const wEnc = weights['W_enc']!.data;
  const bias = (weights['b_enc'] ?? weights['b_gate'])!.data;
  const threshold = weights['threshold']?.data;
  const rows = new Float32Array(count * dIn);
  for (let row = 0; row < count; row++) {
    const x = rows.subarray(row * dIn, (row + 1) * dIn);
    if (applyBDecToInput) x.set(weights['b_dec']!.data);
    for (let n = 0; n < LATENTS_PER_ROW; n++) {
      const j = Math.floor(random.uniform() * dSae);
      let squares = 0;
      for (let i = 0; i < dIn; i++) squares += wEnc[i * dSae + j]! ** 2;
      const least = Math.max(0, Number.isFinite(threshold?.[j]) ? threshold![j]! : 0);
      const length = squares === 0 ? 0 : (least - bias[j]! + 0.5 + 2 * random.uniform()) / squares;
      for (let i = 0; i < dIn; i++) x[i]! += length * wEnc[i * dSae + j]!;
    }
    for (let i = 0; i < dIn; i++) x[i]! += 0.01 * random.normal();
  }
  return rows;
}

/** The model's file, and its data where they are beside it. */
const withData = (file: string): string[] => (existsSync(`${file}.data`) ? [file, `${file}.data`] : [file]);
