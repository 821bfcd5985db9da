/**
 * Hundreds of instances side by side, run a group after the other: each group's tensors stay in the processor's cache, where all
 * together would pass through memory at every operation. Instances do not meet, so the results are the same.
 */
import type { Engine, StepProgram, StepRunner } from '../engines/engine.ts';
import { type HostTensor, type HostTensors, sizeOf } from '../tensor.ts';

/** Measured on small autoencoders: 45 µs an instance up to here, 80 with 256 together. */
const GROUP = 32;

/**
 * An engine that splits programs of `count` instances. `programOf` builds the program of instances `start` to `end`; their state has a
 * leading dimension of instances, but for scalars, which all share, and so has every batch.
 */
export function inGroups(
  engine: Engine,
  count: number,
  programOf: (start: number, end: number) => StepProgram,
): Engine {
  if (count <= GROUP) return engine;
  const groups = Math.ceil(count / GROUP);
  const bounds = Array.from({ length: groups + 1 }, (_, i) => Math.round((i * count) / groups));
  return {
    name: engine.name,
    async prepare(program, options) {
      const members: Member[] = [];
      for (const [i, start] of bounds.slice(0, -1).entries()) {
        const end = bounds[i + 1]!;
        const state = Object.fromEntries(
          Object.entries(program.state).map(([name, tensor]) => [name, entriesOf(tensor, start, end)]),
        );
        members.push({ start, end, runner: await engine.prepare({ ...programOf(start, end), state }, options) });
      }
      return new GroupedRunner(members, count, program);
    },
  };
}

interface Member {
  readonly start: number;
  readonly end: number;
  readonly runner: StepRunner;
}

class GroupedRunner implements StepRunner {
  readonly description: StepRunner['description'];
  readonly #members: readonly Member[];
  readonly #count: number;
  readonly #program: StepProgram;
  #failed = false;

  constructor(members: readonly Member[], count: number, program: StepProgram) {
    this.description = members[0]!.runner.description;
    this.#members = members;
    this.#count = count;
    this.#program = program;
  }

  /** After an error some groups are further than others: there is then no state of any one step to read. */
  async run(steps: number, batches: Readonly<Record<string, Float32Array>>): Promise<Record<string, Float32Array>> {
    this.#failed = true;
    const loss = new Float32Array(steps);
    const losses = new Float32Array(steps * this.#count);
    for (const { start, end, runner } of this.#members) {
      const own = Object.entries(batches).map(([name, all]) => {
        const isShared = this.#program.batch[name]!.length === 0;
        return [name, isShared ? all : columns(all, steps, this.#count, start, end)] as const;
      });
      const metrics = await runner.run(steps, Object.fromEntries(own));
      const width = end - start;
      for (let step = 0; step < steps; step++) {
        loss[step]! += metrics['loss']![step]!;
        losses.set(metrics['losses']!.subarray(step * width, (step + 1) * width), step * this.#count + start);
      }
    }
    this.#failed = false;
    return { loss, losses };
  }

  async read(): Promise<HostTensors> {
    if (this.#failed) throw new Error('the last call failed: its groups of instances stand at different steps');
    const parts: HostTensors[] = [];
    for (const { runner } of this.#members) parts.push(await runner.read());
    return Object.fromEntries(
      Object.entries(this.#program.state).map(([name, { shape }]): [string, HostTensor] => {
        if (shape.length === 0) return [name, parts[0]![name]!];
        const data = new Float32Array(sizeOf(shape));
        const size = data.length / this.#count;
        for (const [i, { start }] of this.#members.entries()) data.set(parts[i]![name]!.data, start * size);
        return [name, { data, shape }];
      }),
    );
  }

  async dispose(): Promise<void> {
    for (const { runner } of this.#members) await runner.dispose();
  }
}

function entriesOf({ data, shape }: HostTensor, start: number, end: number): HostTensor {
  if (shape.length === 0) return { data, shape };
  const size = data.length / shape[0]!;
  return { data: data.slice(start * size, end * size), shape: [end - start, ...shape.slice(1)] };
}

/** Instances `start` to `end` of [steps, count, ...]. */
function columns(all: Float32Array, steps: number, count: number, start: number, end: number): Float32Array {
  const size = all.length / steps / count;
  const width = (end - start) * size;
  const out = new Float32Array(steps * width);
  for (let step = 0; step < steps; step++) {
    const from = (step * count + start) * size;
    out.set(all.subarray(from, from + width), step * width);
  }
  return out;
}
