/** An engine runs training steps. What a step computes is the same on all engines. */
import type { BatchRecipe } from '../data/batch-source.ts';
import type { Tensors } from '../models/model.ts';
import type { HostTensors, Shape } from '../tensor.ts';

/** A training step as a pure function, with all that an engine needs to run it many times. */
export interface StepProgram {
  /**
   * The step. It takes every entry of `state` and of `batch`, and returns every entry of `state` anew under the same
   * name, and the `metrics`.
   */
  readonly step: (inputs: Tensors) => Tensors;
  /** The state to start from. */
  readonly state: HostTensors;
  /** Shape of each per-step input, batch dimension included. */
  readonly batch: Readonly<Record<string, Shape>>;
  /** Names of those inputs that are numbers, [] or [n_instances], which no source of batches draws. */
  readonly scalars?: readonly string[];
  /** Names of what each step reports: the scalar `loss`, and for instances side by side also [n_instances] each. */
  readonly metrics: readonly string[];
  /**
   * Instances side by side that are independent, so that a step may run for some of them at a time. Absent where the
   * step is one whole.
   */
  readonly instances?: Instances | undefined;
  /** What the step computes, as plain data for accelerators; absent where only the function describes it. */
  readonly descriptor?: StepDescriptor;
}

/** Every entry of the state but scalars, and every metric but `loss`, has the instances as its leading dimension. */
export interface Instances {
  readonly count: number;
  /** The dimension that counts them in every per-step input that is no number. */
  readonly batchAxis: 0 | 1;
}

/**
 * A sparse autoencoder's training step as plain data: everything that its function depends on. An accelerator takes
 * exactly what it knows and declines anything else, so also fields and settings that were added after it.
 */
export interface StepDescriptor {
  readonly kind: 'sparse-autoencoder';
  /** The architecture's whole configuration, defaults filled in. */
  readonly activation: Readonly<Record<string, unknown>>;
  readonly decoder: 'reparametrise' | 'renormalise' | 'unprojected' | 'free';
  readonly transcoder: boolean;
  readonly skip: boolean;
  readonly reconstructionLoss: 'mean' | 'sum';
  /** How each sample is normalised before it is encoded. Default: it is not. */
  readonly normalize?: string;
  /** The least cosine of decoder rows to their start, where they are held near it. */
  readonly leastDecoderCosine?: number;
  readonly optimizer: {
    readonly name: 'adam' | 'adamw';
    readonly learningRate: number;
    readonly betas: readonly [number, number];
    readonly eps: number;
    readonly weightDecay: number;
  };
  /** Names of parameters that are not trained. */
  readonly held: readonly string[];
  /** The norm to which the gradient of all parameters together is clipped. Default: no clipping. */
  readonly clip?: number;
  /** Names of numbers that are inputs of each step. */
  readonly scalars: readonly string[];
  /** Whether the state counts the samples since each latent last fired. */
  readonly countsFiring: boolean;
  /** Numbers that each step reports besides its loss: `l0`, and with `deadAfter` (samples) `dead`. Default: none. */
  readonly reports?: { readonly l0?: boolean; readonly deadAfter?: number | undefined };
  readonly dIn: number;
  readonly dSae: number;
  readonly dOut: number;
  readonly batchSize: number;
}

/** Names of the engines. `onnxruntime` runs compiled steps; the others run TensorFlow.js operator by operator. */
export type EngineName = 'onnxruntime' | 'tensorflow' | 'webgpu' | 'wasm' | 'cpu';

/** The engine that runs, and why it was chosen. */
export interface EngineDescription {
  readonly engine: EngineName;
  /** ONNX Runtime's provider, TF.js's backend, or an accelerator. */
  readonly provider: string;
  readonly reason: string;
}

/** A step made ready on an engine. Its state lives wherever the engine keeps it. */
export interface StepRunner {
  readonly description: EngineDescription;
  /**
   * Only where the runner draws its own batches from the recipe it was prepared with: the source's position after the
   * last `run`, and the milliseconds that drawing has taken. `run` then needs no batches of that input.
   */
  readonly drawn?: { readonly position: unknown; readonly milliseconds: number };
  /**
   * Lends an array of `length` numbers to fill with the batches of a coming `run`, which transfers it instead of
   * copying it; afterwards the array is detached. Absent where nothing is copied.
   */
  take?(length: number): Float32Array;
  /**
   * Runs `steps` steps one after another.
   * @param batches each per-step input for all steps, [steps, ...shape], except those that the runner draws
   * @returns each metric as [steps, ...]
   * @throws DivergenceError where a loss is not finite: the state is then one from before that step and after `step`
   *   completed steps of this call
   */
  run(steps: number, batches: Readonly<Record<string, Float32Array>>): Promise<Record<string, Float32Array>>;
  /** A copy of the state. */
  read(): Promise<HostTensors>;
  dispose(): Promise<void>;
}

/** How a step will be run. */
export interface PrepareOptions {
  /** The most steps that one `run` will be asked for. Default 1. */
  readonly maxSteps?: number;
  /** A recipe of all batches to come, for engines that draw them where they are used. */
  readonly batches?: BatchRecipe | undefined;
}

/** Runs training steps: it prepares a step once and runs it many times. */
export interface Engine {
  readonly name: EngineName;
  prepare(program: StepProgram, options?: PrepareOptions): Promise<StepRunner>;
}

/**
 * A faster form of a whole step, which an engine may take instead of the recorded graph. Tests compare it with that
 * graph.
 */
export interface Accelerator {
  /** Whether the accelerator runs the step that `descriptor` describes, and the reason in plain words. */
  accepts(descriptor: StepDescriptor): { readonly accepted: boolean; readonly reason: string };
  start(program: StepProgram, options: { readonly threads: number | undefined }): Promise<StepRunner>;
}
