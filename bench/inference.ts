/**
 * npm run bench:inference [-- --help]: samples per second that a frozen TopK SAE encodes, through `loadSae` on the CPU.
 *
 * With a Python that imports onnxruntime or torch the same work runs there in turns with ours, one call after another in each round;
 * ratios are of medians of one run. Python's ONNX Runtime gets the very encoder that `loadSae` cuts out.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { median } from 'd3-array';
import { positiveInteger } from '../src/cli/options.ts';
import { createRandomSource } from '../src/data/random-source.ts';
import { frozenSaeToOnnx } from '../src/export/frozen-sae-onnx.ts';
import { writeFileAtomic } from '../src/files/write-atomic.ts';
import { type LoadedSae, loadSae } from '../src/inference/node.ts';
import { cutModel } from '../src/onnx/cut.ts';
import { readModel } from '../src/onnx/read.ts';
import { type HostTensor, sizeOf } from '../src/tensor.ts';
import { type LineProcess, startPython } from './line-process.ts';

interface Options {
  readonly python: string;
  readonly rounds: number;
  readonly json?: string;
}

const options = new Command('npm run bench:inference --')
  .description('Samples per second that a frozen TopK SAE encodes, through loadSae on the CPU.')
  .option(
    '--python <program>',
    'a Python that imports onnxruntime or torch: runs the same work in turns with ours',
    process.env['MONOSEMANTIC_PYTHON'] ?? 'python3',
  )
  .option('--rounds <n>', 'rounds in which all take their turn', positiveInteger, 5)
  .option('--json <file>', 'all measurements')
  .parse()
  .opts<Options>();

const SIZES = [
  { dIn: 512, dSae: 4096, k: 32 },
  { dIn: 768, dSae: 16384, k: 32 },
];
const BATCHES = [1, 64, 1024];
const LIBRARIES = ['onnxruntime', 'pytorch'] as const;
const THREADS = availableParallelism();
/** Each measurement repeats its call for about this long. */
const MS_PER_MEASUREMENT = 300;
const SCRIPT = fileURLToPath(new URL('python/encode.py', import.meta.url));

/** A way of encoding: gives the mean milliseconds of `calls` calls. */
interface Contender {
  readonly name: string;
  measure(calls: number): Promise<number>;
}

interface Row {
  readonly dIn: number;
  readonly dSae: number;
  readonly batch: number;
  readonly name: string;
  /** The median milliseconds of a call. */
  readonly msPerCall: number;
  readonly samplesPerSecond: number;
}

console.log(`${cpus()[0]?.model}, ${THREADS} threads; load ${loadavg()[0]!.toFixed(1)}`);
const folder = await mkdtemp(join(tmpdir(), 'monosemantic-bench-'));
const python = await startAll(options.python);
const rows: Row[] = [];
try {
  for (const size of SIZES) {
    const bytes = randomSae(size);
    const file = join(folder, 'sae.onnx');
    await writeFile(file, bytes);
    const encoder = join(folder, 'encoder.onnx');
    await writeFile(encoder, cutModel(readModel(bytes), { inputs: ['activations'], outputs: ['features'] }));
    const sae = await loadSae(file, { provider: 'cpu', threads: THREADS });
    for (const batch of BATCHES) {
      const ours = [dense(sae, batch), sparse(sae, batch)];
      const others = await Promise.all(python.map(other => inPython(other, { ...size, batch, model: encoder })));
      const measured = await inTurns([...ours, ...others]);
      for (const [name, msPerCall] of measured) {
        rows.push({
          dIn: size.dIn,
          dSae: size.dSae,
          batch,
          name,
          msPerCall,
          samplesPerSecond: (1000 * batch) / msPerCall,
        });
      }
      printRows(rows.slice(-measured.size));
    }
    await sae.dispose();
  }
  if (options.json !== undefined) await writeFileAtomic(options.json, `${JSON.stringify(rows, null, 2)}\n`);
} finally {
  for (const { process } of python) process.end();
  await rm(folder, { recursive: true });
}

interface PythonLibrary {
  readonly library: (typeof LIBRARIES)[number];
  readonly process: LineProcess;
}

/** Starts each of the libraries that the Python `command` has. */
async function startAll(command: string): Promise<PythonLibrary[]> {
  const started: PythonLibrary[] = [];
  for (const library of LIBRARIES) {
    const tiny = { library, dIn: 2, dSae: 4, k: 1, batch: 1, threads: 1, model: join(folder, 'tiny.onnx') };
    await writeFile(tiny.model, randomSae(tiny));
    const process = await startPython(command, SCRIPT, tiny);
    if (process) started.push({ library, process });
  }
  return started;
}

function normals(seed: number, ...shape: number[]): HostTensor {
  const random = createRandomSource(seed);
  return { data: Float32Array.from({ length: sizeOf(shape) }, () => random.normal()), shape };
}

function randomSae({ dIn, dSae, k }: { readonly dIn: number; readonly dSae: number; readonly k: number }): Uint8Array {
  const zeros = (size: number): HostTensor => ({ data: new Float32Array(size), shape: [size] });
  const weights = { W_enc: normals(1, dIn, dSae), b_enc: zeros(dSae), W_dec: normals(2, dSae, dIn), b_dec: zeros(dIn) };
  return frozenSaeToOnnx({
    architecture: 'topk',
    dIn,
    dSae,
    dOut: dIn,
    k,
    applyBDecToInput: true,
    normalizeActivations: 'none',
    transcoder: false,
    weights,
  });
}

function dense(sae: LoadedSae, batch: number): Contender {
  const activations = normals(3, batch, sae.dIn);
  return { name: 'monosemantic', measure: calls => timed(calls, () => sae.encode(activations)) };
}

function sparse(sae: LoadedSae, batch: number): Contender {
  const activations = normals(3, batch, sae.dIn);
  return {
    name: 'monosemantic, sparse',
    measure: calls => timed(calls, () => sae.encode(activations, { sparse: true })),
  };
}

async function timed(calls: number, call: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < calls; i++) await call();
  return (performance.now() - start) / calls;
}

async function inPython({ library, process }: PythonLibrary, work: Record<string, unknown>): Promise<Contender> {
  const { version } = await process.ask<{ version: string }>({ ...work, library, threads: THREADS });
  return {
    name: `Python ${library} ${version}`,
    measure: async calls => (await process.ask<{ ms: number }>({ calls })).ms,
  };
}

/** The median time of each contender over rounds in which all take their turn, after one that is not counted. */
async function inTurns(contenders: readonly Contender[]): Promise<Map<string, number>> {
  const calls = new Map<string, number>();
  for (const { name, measure } of contenders) {
    await measure(1);
    calls.set(name, Math.max(1, Math.round(MS_PER_MEASUREMENT / (await measure(2)))));
  }
  const times = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < options.rounds; round++) {
    for (const { name, measure } of contenders) times.get(name)!.push(await measure(calls.get(name)!));
  }
  return new Map([...times].map(([name, all]) => [name, median(all)!]));
}

function printRows(measured: readonly Row[]): void {
  const [{ dIn, dSae, batch, msPerCall: ours }] = measured as [Row];
  console.log(`\n${dIn} → ${dSae}, k 32, batch ${batch}`);
  for (const { name, msPerCall, samplesPerSecond } of measured) {
    const rate = Math.round(samplesPerSecond).toLocaleString('en').padStart(10);
    const ratio = `${(msPerCall / ours).toFixed(2)} × the time`;
    console.log(`  ${name.padEnd(28)} ${rate} samples/s  ${msPerCall.toFixed(2).padStart(8)} ms  ${ratio}`);
  }
}
