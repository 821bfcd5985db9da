/** Models of one shape trained as one: their states stacked along a leading dimension, and taken apart again. */
import { InvalidValueError } from '../errors.ts';
import type { ModelState } from '../models/model.ts';
import { type HostTensor, type HostTensors, sizeOf } from '../tensor.ts';
import type { Trained } from './train.ts';

/** InvalidValueError unless there is at least one run, and runs differ in nothing but the settings named by `differing`. */
export function requireAlike<Settings extends object>(runs: readonly Settings[], differing: readonly string[]): void {
  const [first, ...others] = runs;
  if (!first) throw new InvalidValueError('there must be at least one run, got none');
  const said = (run: Settings, name: string): string => JSON.stringify(run[name as keyof Settings]) ?? 'its default';
  for (const [i, other] of others.entries()) {
    for (const name of new Set([...Object.keys(first), ...Object.keys(other)])) {
      if (differing.includes(name) || said(first, name) === said(other, name)) continue;
      throw new InvalidValueError(
        `${name} must be the same for all that train side by side, got ${said(first, name)} in run 0 and ${said(other, name)} in run ${i + 1}`,
      );
    }
  }
}

/** Entries [n_states, ...] of states that have the same names and shapes. */
export function stackStates(states: readonly ModelState<HostTensors>[]): ModelState<HostTensors> {
  const stack = (parts: readonly HostTensors[]): HostTensors =>
    Object.fromEntries(
      Object.entries(parts[0]!).map(([name, { data, shape }]) => {
        const all = new Float32Array(parts.length * data.length);
        for (const [i, part] of parts.entries()) all.set(part[name]!.data, i * data.length);
        return [name, { data: all, shape: [parts.length, ...shape] }];
      }),
    );
  return { parameters: stack(states.map(s => s.parameters)), buffers: stack(states.map(s => s.buffers)) };
}

/** Of a stacked state, what instance `index` has under the names of its own state. */
export function stateOf(
  stacked: ModelState<HostTensors>,
  index: number,
  own: ModelState<HostTensors>,
): ModelState<HostTensors> {
  const pick = (tensors: HostTensors, names: HostTensors): HostTensors =>
    Object.fromEntries(Object.keys(names).map(name => [name, entryOf(tensors[name]!, index)]));
  return { parameters: pick(stacked.parameters, own.parameters), buffers: pick(stacked.buffers, own.buffers) };
}

/** Entry `index` of the leading dimension. */
export function entryOf({ data, shape }: HostTensor, index: number): HostTensor {
  const rest = shape.slice(1);
  const size = sizeOf(rest);
  return { data: data.slice(index * size, (index + 1) * size), shape: rest };
}

/** The losses of instance `index`, [step]; of the only one, where nothing was trained beside it. */
export function lossesOf({ metrics, step }: Trained, index: number): Float32Array {
  const all = metrics['losses'];
  if (!all) return metrics['loss']!;
  const width = all.length / Math.max(1, step);
  return Float32Array.from({ length: step }, (_, at) => all[at * width + index]!);
}
