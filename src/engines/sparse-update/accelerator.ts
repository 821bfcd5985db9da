/** The sparse update as an engine's accelerator. */
import type { Accelerator } from '../engine.ts';
import { acceptsSparseUpdate } from './accept.ts';
import { createSparseUpdateRunner } from './runner.ts';

/** The accelerator for large TopK, BatchTopK, ReLU and JumpReLU autoencoders. */
export const sparseUpdate: Accelerator = {
  accepts: descriptor => acceptsSparseUpdate(descriptor),
  start: (program, options) => createSparseUpdateRunner(program, options),
};
