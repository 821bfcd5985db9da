/** A kernel rule says which ONNX nodes one TensorFlow.js kernel becomes. */
import * as tf from '@tensorflow/tfjs';
import { RecordingError } from '../errors.ts';
import { RECORDING_BACKEND, recorder } from './recording-backend.ts';

type Inputs = Record<string, tf.TensorInfo>;
/** Kernel attributes are typed per kernel in TF.js; a rule names those it reads. */
type Rule<Attributes> = (inputs: Inputs, attributes: Attributes) => tf.TensorInfo | tf.TensorInfo[];

const kernelsWithRule = new Set<string>();

/** Registers the rule of one kernel. */
export function defineRule<Attributes = unknown>(kernelName: string, rule: Rule<Attributes>): void {
  kernelsWithRule.add(kernelName);
  tf.registerKernel({
    kernelName,
    backendName: RECORDING_BACKEND,
    kernelFunc: ({ inputs, attrs }) => rule(inputs as Inputs, attrs as Attributes),
  });
}

/** Kernels that can be recorded, sorted. */
export function recordableKernels(): string[] {
  return [...kernelsWithRule].sort();
}

tf.registerBackend(RECORDING_BACKEND, () => recorder, 0);

/**
 * The error for somebody who recorded a function, from a caught one: TensorFlow.js reports a missing kernel as plain
 * text.
 */
export function explainRecordingFailure(error: unknown): unknown {
  const missing =
    error instanceof Error &&
    (/Kernel '(\w+)' not registered for backend/.exec(error.message) ??
      /'(\w+)' not yet implemented or not found in the registry/.exec(error.message));
  if (!missing) return error;
  return new RecordingError(
    `the TensorFlow.js kernel "${missing[1]}" has no ONNX rule; add one with defineRule in src/compile/rules, ` +
      `or write the function with the kernels that have one: ${recordableKernels().join(', ')}`,
    { cause: error },
  );
}
