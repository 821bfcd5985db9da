/** An engine runs training steps; what a step computes is the same on all of them. */
import type { BatchRecipe } from '../data/batch-source.ts';
import type { Tensors } from '../models/model.ts';
import type { HostTensors, Shape } from '../tensor.ts';

/** A training step as a pure function, with all that an engine needs to run it many times. */
export interface StepProgram {
  /** Takes every entry of `state` and of `batch`; gives every entry of `state` anew under the same name, and the `metrics`. */
  readonly step: (inputs: Tensors) => Tensors;
  /** The state to start from. */
  readonly state: HostTensors;
  /** Shape of each per-step input, batch dimension included. */
  readonly batch: Readonly<Record<string, Shape>>;
  /** Names of the scalars that each step reports; `loss` is among them. */
  readonly metrics: readonly string[];
  /** Instances side by side that do not meet: the step may then be run for some of them at a time. Absent where it is one whole. */
  readonly instances?: Instances | undefined;
  /** What the step is, in plain words, for accelerators; absent where nothing but the function says it. */
  readonly descriptor?: StepDescriptor;
}

/** Every entry of the state but scalars, and the metric `losses`, has the instances as its leading dimension. */
export interface Instances {
  readonly count: number;
  /** The dimension that counts them in every per-step input that is no scalar. */
  readonly batchAxis: 0 | 1;
}

/** A plain description of a sparse autoencoder's training step, from which an accelerator accepts or declines it. */
export interface StepDescriptor {
  readonly kind: 'sparse-autoencoder';
  readonly selection: {
    readonly kind: 'relu' | 'topk' | 'batchtopk' | 'jumprelu';
    readonly k?: number;
    /** An auxiliary loss that revives dead latents. */
    readonly auxK?: AuxKDescriptor;
    /** BatchTopK: completed steps at which the running threshold starts again. Default never. */
    readonly restartThresholdAt?: number;
    /** TopK and BatchTopK: whether latents are chosen by z · ‖W_dec‖, and decoded by W_dec / ‖W_dec‖. Default false. */
    readonly weighsByNorm?: boolean;
    /** JumpReLU: ε of the estimated gradients, and whether they reach the pre-activations. */
    readonly bandwidth?: number;
    readonly gradientToInput?: boolean;
  };
  readonly decoder: 'reparametrise' | 'renormalise' | 'free';
  readonly loss: {
    /** Weight of mean over the batch of Σ f · ‖W_dec‖. */
    readonly l1: number;
    /** JumpReLU: weight of mean over the batch of L0. */
    readonly l0?: number;
    /** Whether the squared error is averaged or summed over d_in. Default `mean`. */
    readonly reconstruction?: 'mean' | 'sum';
  };
  /** Parameters that are not trained. */
  readonly held?: readonly string[];
  /** The norm to which the gradient of all parameters together is clipped. Default none. */
  readonly clip?: number;
  readonly optimizer: {
    readonly name: 'adam' | 'adamw';
    readonly learningRate: number;
    readonly betas: readonly [number, number];
    readonly eps: number;
    readonly weightDecay: number;
  };
  readonly dIn: number;
  readonly dSae: number;
  readonly batchSize: number;
}

/** An auxiliary loss by which dead latents reconstruct what the others leave over. */
export interface AuxKDescriptor {
  readonly coefficient?: number;
  /** Dead latents per sample, at most. Default half of d_in. */
  readonly k?: number;
  /** Steps without firing after which a latent is dead. Default 100. */
  readonly deadAfter?: number;
  /**
   * `openai` (the default): activations relu(z), the squared error times Var(x) / Var(e). `saelens`: activations z, the squared error
   * times min(dead latents / half of d_in, 1).
   */
  readonly form?: 'openai' | 'saelens';
}

export type EngineName = 'onnxruntime' | 'tensorflow' | 'webgpu' | 'wasm' | 'cpu';

/** What runs, and why it was chosen. */
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
   * Where the runner draws its own batches, from the recipe it was prepared with: the source's position after the last `run`, and the
   * milliseconds that drawing has taken. `run` then needs no batches of that input.
   */
  readonly drawn?: { readonly position: unknown; readonly milliseconds: number };
  /** An array for the batches of a coming `run`, which then need not be copied and which uses the array up. Absent where nothing is copied. */
  take?(length: number): Float32Array;
  /**
   * Runs `steps` steps in turn. `batches` holds each per-step input for all of them, [steps, ...shape], but for what the runner draws.
   * Gives each metric as [steps]. DivergenceError where a loss is not finite: the state is then one from before that step
   * and after `step` completed steps of this call.
   */
  run(steps: number, batches: Readonly<Record<string, Float32Array>>): Promise<Record<string, Float32Array>>;
  /** A copy of the state. */
  read(): Promise<HostTensors>;
  dispose(): Promise<void>;
}

export interface PrepareOptions {
  /** The most steps that one `run` will ask for. Default 1. */
  readonly maxSteps?: number;
  /** All the batches to come, for engines that draw them where they are used. */
  readonly batches?: BatchRecipe | undefined;
}

export interface Engine {
  readonly name: EngineName;
  prepare(program: StepProgram, options?: PrepareOptions): Promise<StepRunner>;
}

/** A faster form of a whole step that an engine may take instead of the recorded graph, which stays its oracle. */
export interface Accelerator {
  /** Whether it runs the step that `descriptor` describes, and why (not), in plain words. */
  accepts(descriptor: StepDescriptor): { readonly accepted: boolean; readonly reason: string };
  start(program: StepProgram, options: { readonly threads: number | undefined }): Promise<StepRunner>;
}
