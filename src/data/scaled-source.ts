/** Rows that are multiplied by one number on their way into training. */
import { type HostTensor, hostTensor } from '../tensor.ts';
import type { BatchSource } from './batch-source.ts';

/** `batches` with every number of their input `activations` times `factor`; targets stay as they are. */
export function scaledBatches(batches: BatchSource, factor: number): BatchSource {
  return {
    async fill(inputs, steps) {
      await batches.fill(inputs, steps);
      const { activations } = inputs;
      if (!activations) return;
      for (let i = 0; i < activations.length; i++) activations[i]! *= factor;
    },
    state: () => batches.state(),
    restore: state => batches.restore(state),
  };
}

/** Rows [n, d] times `factor`. */
export function scaledRows({ data, shape }: HostTensor, factor: number): HostTensor {
  return hostTensor(
    data.map(value => value * factor),
    shape,
  );
}

/**
 * The factor that gives rows of width d a mean norm of √d: √d / mean ‖x‖ over `rows` [n, d] (SAELens's `expected_average_only_in`,
 * sae_lens/training/activation_scaler.py; Anthropic, April 2024). 1 where all rows are 0.
 */
export function averageNormScale({ data, shape }: HostTensor): number {
  const [rows, width] = shape as [number, number];
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    let squared = 0;
    for (let i = row * width; i < (row + 1) * width; i++) squared += data[i]! * data[i]!;
    sum += Math.sqrt(squared);
  }
  return sum > 0 ? (Math.sqrt(width) * rows) / sum : 1;
}
