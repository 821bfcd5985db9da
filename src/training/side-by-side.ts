/** Models of one shape that train as one: their states are stacked along a leading dimension, and taken apart again. */
import type { ModelState } from '../models/model.ts';
import { entryOf, type HostTensors } from '../tensor.ts';

/** Stacks states that have the same names and shapes; each entry becomes [n_states, ...]. */
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

/** The state of instance `index` in a stacked state. */
export function stateOf(stacked: ModelState<HostTensors>, index: number): ModelState<HostTensors> {
  const pick = (tensors: HostTensors): HostTensors =>
    Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, entryOf(tensor, index)]));
  return { parameters: pick(stacked.parameters), buffers: pick(stacked.buffers) };
}

/** The part of instance `index` in a whole training state. Scalars belong to every instance. */
export function instanceOf(state: HostTensors, index: number): HostTensors {
  return Object.fromEntries(
    Object.entries(state).map(([name, tensor]) => [name, tensor.shape.length === 0 ? tensor : entryOf(tensor, index)]),
  );
}

/** A whole training state in which the part of instance `index` is replaced by `own`. */
export function withInstance(state: HostTensors, index: number, own: HostTensors): HostTensors {
  return Object.fromEntries(
    Object.entries(state).map(([name, tensor]) => {
      if (tensor.shape.length === 0) return [name, tensor];
      const data = Float32Array.from(tensor.data);
      data.set(own[name]!.data, index * own[name]!.data.length);
      return [name, { data, shape: tensor.shape }];
    }),
  );
}
