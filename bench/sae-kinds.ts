/**
 * Times a step of the sparse update for each choice of latents beside TopK's of the same size: BatchTopK, ReLU and JumpReLU at about as many
 * active latents, a clipped gradient, and TopK with dead latents to revive; and, where a Python has it, SAELens's own step with as many dead,
 * beside its step with none. All take their steps in turn, so that the ratios mean more than the figures; processor time is that of all threads,
 * and moves less than the clock where others work on the machine. The learning rate is next to nothing, so that each goes on with as many active
 * and dead latents as it began with. Dead latents stand evenly among the others.
 */
import { availableParallelism, cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { median } from 'd3-array';
import { positiveInteger } from '../src/cli/options.ts';
import type { StepDescriptor, StepProgram } from '../src/engines/engine.ts';
import { createSparseUpdateRunner } from '../src/engines/sparse-update/runner.ts';
import { filled, type HostTensor, hostTensor, zeros } from '../src/tensor.ts';
import { startPython } from './line-process.ts';

interface Options {
  readonly python?: string;
  readonly dIn: number;
  readonly dSae: number;
  readonly k: number;
  readonly batch: number;
  readonly rounds: number;
  readonly threads: number;
}

const options = new Command('npm run bench:sae-kinds --')
  .description('Times a step of the sparse update for each choice of latents, as ratios to TopK.')
  .option(
    '--python <program>',
    'a Python that imports sae_lens: its steps with as many dead latents, as ratios to its own with none',
  )
  .option('--d-in <n>', 'width of the activations', positiveInteger, 512)
  .option('--d-sae <n>', 'latents', positiveInteger, 4096)
  .option('--k <n>', 'active latents a sample', positiveInteger, 32)
  .option('--batch <n>', 'samples a step', positiveInteger, 1024)
  .option('--rounds <n>', 'steps of each', positiveInteger, 10)
  .option('--threads <n>', 'threads', positiveInteger, availableParallelism())
  .parse()
  .opts<Options>();
const { python, dIn, dSae, k, batch: batchSize, rounds, threads } = options;
const SCRIPT = fileURLToPath(new URL('python/sae_step.py', import.meta.url));
/** So small that nothing changes. */
const LEARNING_RATE = 1e-30;

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

const rows = draws(dSae * dIn, 1);
const encoder = new Float32Array(dIn * dSae);
for (let latent = 0; latent < dSae; latent++) {
  for (let i = 0; i < dIn; i++) encoder[i * dSae + latent] = rows[latent * dIn + i]! / Math.sqrt(dIn);
}
const activations = draws(batchSize * dIn, 2);
/** The value that `k` of d_sae pre-activations exceed, which are nearly normal. */
const threshold = draws(100_000, 3).sort()[Math.floor(100_000 * (1 - k / dSae))]!;

const DEAD_COUNTS = [0, 32, Math.floor(dIn / 2), dIn];

/** Which of the latents are dead, where `dead` of them are: evenly among the others. */
function deadLatents(dead: number): readonly number[] {
  return Array.from({ length: dead }, (_, index) => Math.floor((index * dSae) / dead));
}

interface Variant {
  readonly name: string;
  readonly activation: StepDescriptor['activation'];
  readonly bias?: number;
  readonly clip?: number;
  /** Latents that never fire and count as dead. */
  readonly dead?: number;
}

const VARIANTS: readonly Variant[] = [
  { name: `TopK ${k}`, activation: { kind: 'topk', k } },
  { name: 'BatchTopK', activation: { kind: 'batchtopk', k } },
  { name: 'ReLU', activation: { kind: 'relu', l1: 1e-6 }, bias: -threshold },
  {
    name: 'JumpReLU',
    activation: {
      kind: 'jumprelu',
      sparsityLoss: 'step',
      l0: 1e-6,
      bandwidth: 0.05,
      gradientToInput: false,
      threshold,
    },
  },
  { name: 'TopK, clipped', activation: { kind: 'topk', k }, clip: 1 },
  ...DEAD_COUNTS.map(dead => ({
    name: `TopK, ${dead} dead`,
    activation: { kind: 'topk', k, auxK: { form: 'saelens', coefficient: 1 } },
    dead,
  })),
];

function programOf({ activation, bias = 0, clip, dead }: Variant): StepProgram {
  const ofLatents = (value: (latent: number) => number): HostTensor =>
    hostTensor(
      Float32Array.from({ length: dSae }, (_, latent) => value(latent)),
      [dSae],
    );
  const allDead = new Set(deadLatents(dead ?? 0));
  const parameters: Record<string, HostTensor> = {
    V: hostTensor(rows, [dSae, dIn]),
    W_enc: hostTensor(encoder, [dIn, dSae]),
    b_enc: ofLatents(latent => (allDead.has(latent) ? -50 : bias)),
    b_dec: zeros([dIn]),
    ...(activation['kind'] === 'jumprelu' && { threshold: filled([dSae], threshold) }),
  };
  const state: Record<string, HostTensor> = { 'optimizer.c2': zeros([]) };
  for (const [name, tensor] of Object.entries(parameters)) {
    state[`parameters.${name}`] = tensor;
    state[`optimizer.v.${name}`] = zeros(tensor.shape);
  }
  if (activation['kind'] === 'batchtopk') {
    state['buffers.threshold'] = zeros([]);
    state['buffers.steps'] = zeros([]);
  }
  if (dead !== undefined) state['buffers.silent'] = ofLatents(latent => (allDead.has(latent) ? 1e9 : 0));
  const descriptor: StepDescriptor = {
    kind: 'sparse-autoencoder',
    activation,
    decoder: 'reparametrise',
    transcoder: false,
    skip: false,
    reconstructionLoss: 'mean',
    optimizer: { name: 'adam', learningRate: LEARNING_RATE, betas: [0, 0.999], eps: 1e-8, weightDecay: 0 },
    held: [],
    ...(clip !== undefined && { clip }),
    scalars: [],
    countsFiring: dead !== undefined,
    dIn,
    dSae,
    dOut: dIn,
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

interface Timed {
  readonly name: string;
  /** A step of the same library, and of what the ratio is to. */
  readonly base: () => Timed;
  step(): Promise<{ readonly clock: number; readonly processor: number }>;
  end(): Promise<void>;
  readonly processor: number[];
  readonly clock: number[];
}

async function ours(variant: Variant): Promise<Timed> {
  const runner = await createSparseUpdateRunner(programOf(variant), { threads, anySize: true });
  return {
    name: variant.name,
    base: () => all[0]!,
    async step() {
      const [used, started] = [process.cpuUsage(), performance.now()];
      await runner.run(1, { activations });
      const clock = performance.now() - started;
      const { user, system } = process.cpuUsage(used);
      return { clock, processor: (user + system) / 1000 };
    },
    end: () => runner.dispose(),
    processor: [],
    clock: [],
  };
}

/** SAELens's step with so many dead latents; undefined, after a line that says why, where this Python does not have it. */
async function saelens(dead: number): Promise<Timed | undefined> {
  const request = { library: 'saelens', kind: 'topk', dIn, dSae, batchSize, k, threads, learningRate: LEARNING_RATE };
  const trainer = await startPython(
    python!,
    SCRIPT,
    { ...request, dead: deadLatents(dead) },
    {
      onProblem: reason => console.error(`without SAELens: ${reason}`),
    },
  );
  if (!trainer) return undefined;
  const name = `SAELens, ${dead} dead`;
  return {
    name,
    base: () => all.find(timed => timed.name === 'SAELens, 0 dead')!,
    async step() {
      const { ms, processor } = await trainer.ask<{ ms: [number]; processor: [number] }>({ steps: 1 });
      return { clock: ms[0], processor: processor[0] };
    },
    async end() {
      trainer.end();
    },
    processor: [],
    clock: [],
  };
}

const all: Timed[] = [];
for (const variant of VARIANTS) all.push(await ours(variant));
for (const dead of python === undefined ? [] : DEAD_COUNTS) {
  const timed = await saelens(dead);
  if (!timed) break;
  all.push(timed);
}
console.log(
  `${cpus()[0]?.model ?? 'unknown CPU'}, ${threads} threads, ${dIn}/${dSae}, batch ${batchSize}, load ${loadavg()[0]!.toFixed(1)}`,
);
// The first steps open sessions and fill caches.
for (const timed of all) await timed.step();
for (let round = 0; round < rounds; round++) {
  for (const timed of all) {
    const { clock, processor } = await timed.step();
    timed.clock.push(clock);
    timed.processor.push(processor);
  }
}
for (const { name, base, processor, clock, end } of all) {
  const ratio = (of: (timed: Pick<Timed, 'clock' | 'processor'>) => number): string =>
    `${(of({ processor, clock }) / of(base())).toFixed(2)}×`;
  console.log(
    name.padEnd(20),
    `${median(clock)!.toFixed(1)} ms, ${ratio(timed => median(timed.clock)!)}`.padEnd(20),
    `processor ${median(processor)!.toFixed(1)} ms, ${ratio(timed => median(timed.processor)!)}`.padEnd(30),
    `least ${Math.min(...processor).toFixed(1)} ms, ${ratio(timed => Math.min(...timed.processor))}`,
  );
  await end();
}
