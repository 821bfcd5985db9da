/** The state that a checkpoint goes on from. */
import { FileFormatError } from '../errors.ts';
import { type HostTensor, type HostTensors, sameShape } from '../tensor.ts';
import type { Checkpoint } from './checkpoint.ts';

/**
 * The checkpoint's state, in the order of `expected`.
 * @throws FileFormatError unless it has the same names and shapes
 */
export function resumedState({ state }: Checkpoint, expected: HostTensors): HostTensors {
  const unknown = Object.keys(state).find(name => !(name in expected));
  if (unknown) throw new FileFormatError(`the checkpoint holds "${unknown}", which this step does not have`);
  return Object.fromEntries(
    Object.entries(expected).map(([name, { shape }]): [string, HostTensor] => {
      const found = state[name];
      if (found && sameShape(found.shape, shape)) return [name, found];
      const held = found ? `[${found.shape.join(', ')}]` : 'nothing';
      throw new FileFormatError(`the checkpoint must hold "${name}" of shape [${shape.join(', ')}], it holds ${held}`);
    }),
  );
}
