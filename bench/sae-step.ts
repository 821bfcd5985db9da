/**
 * Times one training step of large sparse autoencoders: the sparse update, beside PyTorch's dense step where a Python has it.
 *
 *   tsx bench/sae-step.ts [--python PYTHON] [--sizes 512x4096,768x16384] [--kinds topk,batchtopk] [--k 32] [--batch 1024]
 *     [--steps 8] [--threads N] [--beta1 0] [--json FILE]
 *
 * Both run in turn on the same machine in one run, so the ratio means more than either figure. Prints a table; --json writes all.
 */
import { execFile } from 'node:child_process';
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { StepDescriptor, StepProgram } from '../src/engines/engine.ts';
import { createSparseUpdateRunner } from '../src/engines/sparse-update/runner.ts';
import type { StepTimes } from '../src/engines/sparse-update/shard.ts';
import { writeFileAtomic } from '../src/files/write-atomic.ts';
import { type HostTensor, hostTensor, zeros } from '../src/tensor.ts';

interface Work {
  readonly dIn: number;
  readonly dSae: number;
  readonly batchSize: number;
  readonly k: number;
  readonly kind: 'topk' | 'batchtopk';
  readonly betas: readonly [number, number];
  readonly steps: number;
  readonly warmup: number;
  readonly threads: number;
}

interface Measurement {
  readonly work: Work;
  /** Milliseconds of each step. */
  readonly ms: readonly number[];
  /** Milliseconds a step of each part; the mean of all shards. */
  readonly parts: StepTimes;
  /** Of the encoder's product alone, all threads together. */
  readonly gemmGflops: number;
  /** Parameters and moments read and written, all threads together; an upper bound with β1 = 0, where idle latents are skipped. */
  readonly updateGBps: number;
  readonly peakMemoryMiB: number;
  readonly pytorchMs?: readonly number[] | undefined;
  /** Median of PyTorch's steps over the median of ours. */
  readonly ratio?: number | undefined;
}

const { values: options } = parseArgs({
  options: {
    python: { type: 'string' },
    sizes: { type: 'string', default: '512x4096,768x16384,1024x32768' },
    kinds: { type: 'string', default: 'topk,batchtopk' },
    k: { type: 'string', default: '32' },
    batch: { type: 'string', default: '1024' },
    steps: { type: 'string', default: '8' },
    threads: { type: 'string', default: String(availableParallelism()) },
    beta1: { type: 'string', default: '0' },
    json: { type: 'string' },
  },
});

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

/** Sums of four uniform draws: near enough to normal, and fast. */
function draws(count: number, seed: number): Float32Array {
  const values = new Float32Array(count);
  let state = seed;
  for (let i = 0; i < count; i++) {
    let sum = 0;
    for (let draw = 0; draw < 4; draw++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
      sum += (state >>> 0) / 2 ** 32;
    }
    values[i] = (sum - 2) * Math.sqrt(3);
  }
  return values;
}

function programFor({ dIn, dSae, batchSize, k, kind, betas }: Work): StepProgram {
  const rows = draws(dSae * dIn, 1);
  const encoder = new Float32Array(dIn * dSae);
  for (let latent = 0; latent < dSae; latent++) {
    for (let i = 0; i < dIn; i++) encoder[i * dSae + latent] = rows[latent * dIn + i]! / Math.sqrt(dIn);
  }
  const parameters: Record<string, HostTensor> = {
    V: hostTensor(rows, [dSae, dIn]),
    W_enc: hostTensor(encoder, [dIn, dSae]),
    b_enc: zeros([dSae]),
    b_dec: zeros([dIn]),
  };
  const state: Record<string, HostTensor> = { 'optimizer.c2': zeros([]) };
  if (betas[0] !== 0) state['optimizer.c1'] = zeros([]);
  for (const [name, tensor] of Object.entries(parameters)) {
    state[`parameters.${name}`] = tensor;
    if (betas[0] !== 0) state[`optimizer.m.${name}`] = zeros(tensor.shape);
    state[`optimizer.v.${name}`] = zeros(tensor.shape);
  }
  const descriptor: StepDescriptor = {
    kind: 'sparse-autoencoder',
    selection: { kind, k },
    decoder: 'reparametrise',
    loss: { l1: 0 },
    optimizer: { name: 'adam', learningRate: 1e-3, betas, eps: 1e-8, weightDecay: 0 },
    dIn,
    dSae,
    batchSize,
  };
  return {
    step: () => {
      throw new Error('only the sparse update is timed');
    },
    state,
    batch: { activations: [batchSize, dIn] },
    metrics: ['loss'],
    descriptor,
  };
}

async function measure(work: Work): Promise<Omit<Measurement, 'pytorchMs' | 'ratio'>> {
  const { dIn, dSae, batchSize, steps, warmup, threads, betas } = work;
  const runner = await createSparseUpdateRunner(programFor(work), { threads });
  try {
    const activations = draws(batchSize * dIn, 2);
    for (let step = 0; step < warmup; step++) await runner.run(1, { activations });
    const before = await runner.times();
    const ms: number[] = [];
    for (let step = 0; step < steps; step++) {
      const start = performance.now();
      await runner.run(1, { activations });
      ms.push(performance.now() - start);
    }
    const after = await runner.times();
    const part = (name: keyof StepTimes) =>
      after.reduce((sum, times, shard) => sum + times[name] - before[shard]![name], 0) / after.length / steps;
    const parts: StepTimes = {
      gemm: part('gemm'),
      select: part('select'),
      reconstruct: part('reconstruct'),
      update: part('update'),
      exchange: part('exchange'),
    };
    // Two matrices, each with its moments, read and written.
    const bytes = 4 * dIn * dSae * 2 * (betas[0] === 0 ? 2 : 3) * 2;
    return {
      work,
      ms,
      parts,
      gemmGflops: (2 * batchSize * dIn * dSae) / parts.gemm / 1e6,
      updateGBps: bytes / parts.update / 1e6,
      peakMemoryMiB: process.resourceUsage().maxRSS / 1024,
    };
  } finally {
    await runner.dispose();
  }
}

async function measurePyTorch(python: string, work: Work): Promise<readonly number[] | undefined> {
  const script = fileURLToPath(new URL('pytorch_sae_step.py', import.meta.url));
  return new Promise(resolve => {
    const child = execFile(python, [script], (error, stdout, stderr) => {
      if (!error) return resolve((JSON.parse(stdout) as { ms: number[] }).ms);
      console.error(`${python} cannot time PyTorch: ${stderr.trim().split('\n').at(-1) ?? error.message}`);
      resolve(undefined);
    });
    child.stdin!.end(`${JSON.stringify(work)}\n`);
  });
}

function report({ work, ms, parts, gemmGflops, updateGBps, pytorchMs, ratio, peakMemoryMiB }: Measurement): string {
  const total = median(ms);
  const shares = Object.entries(parts).map(([name, time]) => `${name} ${((100 * time) / total).toFixed(0)}%`);
  return [
    `${work.kind.padEnd(9)} ${work.dIn}/${work.dSae}`.padEnd(22),
    `${total.toFixed(1)} ms (${Math.min(...ms).toFixed(1)}–${Math.max(...ms).toFixed(1)})`.padEnd(26),
    pytorchMs ? `PyTorch ${median(pytorchMs).toFixed(0)} ms, ${ratio!.toFixed(1)}×`.padEnd(26) : '',
    `Gemm ${gemmGflops.toFixed(0)} GFLOP/s, update ${updateGBps.toFixed(1)} GB/s, ${peakMemoryMiB.toFixed(0)} MiB`.padEnd(
      50,
    ),
    shares.join(', '),
  ].join('  ');
}

const measurements: Measurement[] = [];
console.log(`${cpus()[0]?.model ?? 'unknown CPU'}, ${options.threads} threads, batch ${options.batch}, k ${options.k}`);
for (const size of options.sizes.split(',')) {
  const [dIn, dSae] = size.split('x').map(Number) as [number, number];
  for (const kind of options.kinds.split(',') as Work['kind'][]) {
    const work: Work = {
      dIn,
      dSae,
      batchSize: Number(options.batch),
      k: Number(options.k),
      kind,
      betas: [Number(options.beta1), 0.999],
      steps: Number(options.steps),
      warmup: 2,
      threads: Number(options.threads),
    };
    const ours = await measure(work);
    const steps = Math.min(work.steps, 4);
    const pytorchMs = options.python ? await measurePyTorch(options.python, { ...work, steps, warmup: 1 }) : undefined;
    const ratio = pytorchMs && median(pytorchMs) / median(ours.ms);
    measurements.push({ ...ours, pytorchMs, ratio });
    console.log(report(measurements.at(-1)!));
  }
}
if (options.json) {
  const machine = { cpu: cpus()[0]?.model, threads: Number(options.threads), node: process.version };
  await writeFileAtomic(options.json, `${JSON.stringify({ machine, measurements }, null, 2)}\n`);
}
