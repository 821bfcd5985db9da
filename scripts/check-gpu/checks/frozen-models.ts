/** Frozen models through ONNX Runtime: those in models/, and TopK autoencoders of three sizes, beside ONNX Runtime on the CPU. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Tensor } from 'onnxruntime-common';
import { cutModel } from '../../../src/onnx/cut.ts';
import { describeModel } from '../../../src/onnx/inspect.ts';
import { TENSOR_NAMES } from '../../../src/onnx/metadata.ts';
import { readModel } from '../../../src/onnx/read.ts';
import { loadNodeRuntime } from '../../../src/sessions/node.ts';
import type { Provider } from '../../../src/sessions/runtime.ts';
import { type Outputs, openSession } from '../../../src/sessions/session.ts';
import { GPU_PATHS } from '../paths.ts';
import { normals, type TopKSize, topKModel } from '../works.ts';
import { type CheckContext, judged, largestDifference, timedCalls } from './report.ts';

const MODELS = fileURLToPath(new URL('../../../models/', import.meta.url));

/** |difference| ≤ this · max(1, |value|): products of several hundred terms in float32, summed in another order. */
const TOLERANCE = 2e-5;

/** How many rows the CPU computes too. */
const COMPARED_ROWS = 64;

const BATCHES = [1, 4096];
const SOFTWARE_BATCHES = [1];

const { input: INPUT, sparse: SPARSE } = TENSOR_NAMES['sparse-autoencoder'];

/** Runs the models in models/ and compares them with ONNX Runtime on the CPU. */
export async function checkPublishedModels({ path, report }: CheckContext): Promise<void> {
  const provider = GPU_PATHS[path].provider;
  if (!provider) return;
  const files = (await readdir(MODELS)).filter(file => file.endsWith('.onnx'));
  let worst = 0;
  let where = '';
  for (const file of files) {
    const bytes = await readFile(join(MODELS, file));
    const { inputs } = describeModel(readModel(bytes));
    const [{ name, shape }] = inputs as [(typeof inputs)[number]];
    const dimensions = shape!.map(size => (typeof size === 'number' ? size : COMPARED_ROWS));
    const values = normals(5, ...dimensions);
    const [actual, expected] = [
      await runOnce(bytes, provider, name, values),
      await runOnce(bytes, 'cpu', name, values),
    ];
    for (const [output, tensor] of Object.entries(expected)) {
      const difference = largestDifference(numbers(actual[output]!), numbers(tensor));
      if (!(difference <= worst)) [worst, where] = [difference, `${output} of ${file}`];
    }
  }
  report(judged('models/*.onnx', worst, TOLERANCE, `${files.length} files${where && `, in ${where}`}`));
}

/** Runs a TopK autoencoder of random weights, compares a few rows with the CPU, and times a large batch. */
export async function checkTopK(size: TopKSize, context: CheckContext): Promise<void> {
  const { dIn, dSae } = size;
  const provider = GPU_PATHS[context.path].provider;
  if (!provider) return;
  const name = `encode TopK ${dIn}/${dSae}`;
  const batches = context.software ? SOFTWARE_BATCHES : BATCHES;
  const rows = normals(6, Math.max(COMPARED_ROWS, ...batches), dIn);
  const plain = sparseEncoder(topKModel(size));
  const expected = await runOnce(plain, 'cpu', INPUT, head(rows, COMPARED_ROWS));
  const runtime = await loadNodeRuntime();
  const { session } = await openSession(runtime, plain, { provider });
  try {
    for (const batch of batches) {
      const compared = Math.min(batch, COMPARED_ROWS);
      const input = new runtime.ort.Tensor('float32', head(rows, batch).data as Float32Array<ArrayBuffer>, [
        batch,
        dIn,
      ]);
      const actual = await session.run({ [INPUT]: input });
      const { difference, otherRows } = compareCodes(actual, expected, compared);
      const ms = await timedCalls(() => session.run({ [INPUT]: input }));
      const others = otherRows > 0 ? `, ${otherRows} rows choose another of nearly equal latents` : '';
      context.report(
        judged(`${name}, batch ${batch}`, difference, TOLERANCE, `${compared} rows compared${others}`, ms),
      );
    }
  } finally {
    await session.dispose();
  }
  await checkTies(size, name, context, provider);
}

/** Tests latents that come in equal pairs: the one of the lower index must win the last place. */
async function checkTies(size: TopKSize, name: string, { report }: CheckContext, provider: Provider): Promise<void> {
  const model = sparseEncoder(topKModel(size, true));
  const rows = normals(6, COMPARED_ROWS, size.dIn);
  const [actual, expected] = [await runOnce(model, provider, INPUT, rows), await runOnce(model, 'cpu', INPUT, rows)];
  const { difference, otherRows } = compareCodes(actual, expected, COMPARED_ROWS);
  const finding = judged(`${name}, ties`, difference, TOLERANCE, `${COMPARED_ROWS} rows of equal latents in pairs`);
  if (finding.outcome === 'wrong' || otherRows === 0) return report(finding);
  report({
    ...finding,
    outcome: 'wrong',
    detail: `${otherRows} of ${COMPARED_ROWS} rows keep another of two equal latents than ONNX's TopK (the lower index)`,
  });
}

/** The part of a TopK model that gives indices and values; its dense features of a large batch would not fit into an array. */
function sparseEncoder(model: Uint8Array): Uint8Array {
  return cutModel(readModel(model), { inputs: [INPUT], outputs: [SPARSE.indices, SPARSE.values] });
}

/**
 * Compares `rows` samples' codes: their values in descending order, and which latents they chose.
 *
 * @returns the largest difference of a value; and in how many rows the chosen latents differ though the values agree.
 */
export function compareCodes(
  actual: Outputs,
  expected: Outputs,
  rows: number,
): { readonly difference: number; readonly otherRows: number } {
  const k = expected[SPARSE.values]!.dims.at(-1)!;
  const part = (outputs: Outputs, name: string, row: number) => numbers(outputs[name]!, row * k, (row + 1) * k);
  let difference = 0;
  let otherRows = 0;
  for (let row = 0; row < rows; row++) {
    const [ours, theirs] = [actual, expected].map(outputs => part(outputs, SPARSE.values, row).sort((a, b) => b - a));
    const worst = largestDifference(ours!, theirs!);
    if (!(worst <= difference)) difference = worst;
    const [chosen, wanted] = [actual, expected].map(outputs =>
      part(outputs, SPARSE.indices, row).sort((a, b) => a - b),
    );
    if (chosen!.join() !== wanted!.join()) otherRows++;
  }
  return { difference, otherRows };
}

async function runOnce(
  model: Uint8Array,
  provider: Provider,
  name: string,
  { data, shape }: { readonly data: ArrayLike<number>; readonly shape: readonly number[] },
): Promise<Outputs> {
  const runtime = await loadNodeRuntime();
  const { session } = await openSession(runtime, model, { provider });
  try {
    return await session.run({
      [name]: new runtime.ort.Tensor('float32', data as Float32Array<ArrayBuffer>, [...shape]),
    });
  } finally {
    await session.dispose();
  }
}

function head({ data, shape }: { readonly data: ArrayLike<number>; readonly shape: readonly number[] }, rows: number) {
  const [, width] = shape as [number, number];
  return { data: (data as Float32Array).subarray(0, rows * width), shape: [rows, width] };
}

function numbers(tensor: Tensor, from = 0, to?: number): number[] {
  return Array.from(tensor.data.slice(from, to) as ArrayLike<number | bigint>, Number);
}
