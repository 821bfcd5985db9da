/** Tensors that cannot be replaced rightly are refused with the reason: in a branch decided at run time, and beside an output made from them. */
import { expect } from 'chai';
import { InvalidValueError } from '../../src/errors.ts';
import { openHost } from '../../src/host/index.ts';
import { encodeModel } from '../../src/onnx/write.ts';

const node = (op: string, inputs: string[], outputs: string[], attributes = {}) => ({
  op,
  inputs,
  outputs,
  attributes,
});
const value = (name: string, shape: (number | string)[], type: 'float32' | 'bool' = 'float32') => ({
  name,
  type,
  shape,
});

async function refusal(bytes: Uint8Array, tensor: string): Promise<string> {
  await using host = await openHost(bytes);
  const error = await host
    .run(
      { x: { data: new Float32Array(8), shape: [2, 4] } },
      { replace: { [tensor]: { data: new Float32Array(8), shape: [2, 4] } } },
    )
    .catch((reason: unknown) => reason);
  expect(error).to.be.instanceOf(InvalidValueError);
  return (error as Error).message;
}

describe('tensors that are refused', () => {
  it('inside a branch whose course is known only at run time', async () => {
    const branch = (name: string, op: string) => ({
      name,
      nodes: [node(op, ['x'], [`${name}_inside`])],
      initializers: [],
      inputs: [],
      outputs: [value(`${name}_inside`, ['batch', 4])],
    });
    const bytes = encodeModel({
      name: 'decided later',
      inputs: [value('x', ['batch', 4]), value('choice', [], 'bool')],
      outputs: [value('y', ['batch', 4])],
      initializers: [],
      nodes: [
        node('If', ['choice'], ['y'], {
          then_branch: { graph: branch('left', 'Relu') },
          else_branch: { graph: branch('right', 'Tanh') },
        }),
      ],
    });
    expect(await refusal(bytes, 'left_inside')).to.match(/inside a branch or loop \(the If node/);
  });

  it('whose node gives another output that may be made from it', async () => {
    const gru = (name: string, shape: number[]) => ({
      name,
      type: 'float32' as const,
      shape,
      data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.1),
    });
    const bytes = encodeModel({
      name: 'recurrent',
      inputs: [value('x', ['batch', 4])],
      outputs: [value('y', ['batch', 4])],
      initializers: [
        gru('W', [1, 12, 4]),
        gru('R', [1, 12, 4]),
        { name: 'axis', type: 'int64', shape: [1], data: [0] },
      ],
      nodes: [
        node('Unsqueeze', ['x', 'axis'], ['sequence']),
        node('GRU', ['sequence', 'W', 'R'], ['all', 'last'], { hidden_size: 4 }),
        node('Squeeze', ['last', 'axis'], ['end']),
        node('ReduceSum', ['all', 'axis'], ['sum'], { keepdims: 0 }),
        node('Squeeze', ['sum', 'axis'], ['total']),
        node('Add', ['end', 'total'], ['y']),
      ],
    });
    expect(await refusal(bytes, 'all')).to.match(/comes from the GRU node .* also gives last/);
  });
});
