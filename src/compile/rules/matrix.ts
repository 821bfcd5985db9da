/** Matrix products. */
import { broadcastShape, recorder } from '../recording-backend.ts';
import { defineRule } from '../rule.ts';

interface MatMulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

defineRule<MatMulAttributes>('BatchMatMul', ({ a, b }, { transposeA, transposeB }) => {
  const [rankA, rankB] = [a!.shape.length, b!.shape.length];
  const rows = a!.shape[transposeA ? rankA - 1 : rankA - 2]!;
  const columns = b!.shape[transposeB ? rankB - 2 : rankB - 1]!;
  const shape = [...broadcastShape(a!.shape.slice(0, -2), b!.shape.slice(0, -2)), rows, columns];
  if (rankA === 2 && rankB === 2 && (transposeA || transposeB)) {
    const attributes = { transA: Number(transposeA), transB: Number(transposeB) };
    return recorder.result(
      recorder.emit('Gemm', [recorder.full(a!), recorder.full(b!)], attributes)[0],
      shape,
      'float32',
    );
  }
  const left = transposeA ? swapLastTwo(recorder.full(a!), rankA) : recorder.full(a!);
  const right = transposeB ? swapLastTwo(recorder.full(b!), rankB) : recorder.full(b!);
  return recorder.result(recorder.emit('MatMul', [left, right])[0], shape, 'float32');
});

defineRule<{ equation: string }>('Einsum', (inputs, { equation }) => {
  const operands = Object.values(inputs);
  const [terms, output] = equation.replaceAll(' ', '').split('->') as [string, string];
  const sizes = new Map<string, number>();
  terms.split(',').forEach((term, operand) => {
    [...term].forEach((axis, i) => {
      sizes.set(axis, operands[operand]!.shape[i]!);
    });
  });
  const shape = [...output].map(axis => sizes.get(axis)!);
  const [name] = recorder.emit(
    'Einsum',
    operands.map(operand => recorder.full(operand)),
    { equation },
  );
  return recorder.result(name, shape, 'float32');
});

function swapLastTwo(name: string, rank: number): string {
  const perm = Array.from({ length: rank }, (_, i) => i);
  [perm[rank - 2], perm[rank - 1]] = [rank - 1, rank - 2];
  return recorder.emit('Transpose', [name], { perm })[0];
}
