/** The compiled SIMD kernel as a typed module: AssemblyScript sources in kernel/, bytes in kernel.generated.ts. */
import { KERNEL_BASE64 } from './kernel.generated.ts';

/** Mutable globals of kernel/layout.ts that hold sizes. */
export type KernelSize = 'batch' | 'latents' | 'columns' | 'width' | 'mergedCapacity';

/** Mutable globals of kernel/layout.ts that hold byte addresses; see there for each one's shape. */
export type KernelAddress =
  | 'centred'
  | 'preActivations'
  | 'gradients'
  | 'decoder'
  | 'decoderM'
  | 'decoderV'
  | 'inverseNorms'
  | 'encoder'
  | 'encoderM'
  | 'encoderV'
  | 'encoderBias'
  | 'encoderBiasM'
  | 'encoderBiasV'
  | 'decoderBias'
  | 'decoderBiasM'
  | 'decoderBiasV'
  | 'decoderBiasGradient'
  | 'entryRows'
  | 'entryLatents'
  | 'entryValues'
  | 'rowStarts'
  | 'latentSteps'
  | 'latentStarts'
  | 'latentEntries'
  | 'termRows'
  | 'termFactors'
  | 'termDots'
  | 'sumRow'
  | 'maxima'
  | 'ranked'
  | 'mergedStarts'
  | 'mergedValues';

/** Mutable globals of kernel/adam.ts. */
export type KernelFactor = 'beta1' | 'beta2' | 'rest1' | 'rest2' | 'stepSize' | 'epsilon' | 'decay' | 'step';

type Globals = Readonly<Record<KernelSize | KernelAddress | KernelFactor, WebAssembly.Global>>;

/** Functions of the kernel; each is described where it is written, under kernel/. */
export interface Kernel extends Globals {
  centre(): void;
  selectTopK(k: number): number;
  selectBatchTopK(total: number, bound: number, capacity: number): number;
  smallest(from: number, to: number): number;
  mergeTopK(shards: number, own: number, k: number): number;
  mergeBatchTopK(shards: number, own: number, total: number): number;
  readonly smallestSelected: WebAssembly.Global;
  reconstruct(): void;
  measure(from: number, to: number, parts: number, shards: number, scale: number): number;
  makeUpLatents(): void;
  measureNorms(): void;
  sortByLatent(count: number): void;
  updateLatents(renormalise: 0 | 1): void;
  updateDecoderBias(parts: number, shards: number): void;
}

/** Instantiates the kernel on `memory`. */
export async function instantiateKernel(memory: WebAssembly.Memory): Promise<Kernel> {
  const bytes = Uint8Array.from(atob(KERNEL_BASE64), character => character.charCodeAt(0));
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
  return instance.exports as unknown as Kernel;
}
