/** The compiled SIMD kernel as a typed module: AssemblyScript sources in kernel/, bytes in kernel.generated.ts. */
import { KERNEL_BASE64 } from './kernel.generated.ts';

/** Mutable globals of kernel/layout.ts that hold sizes. */
export type KernelSize = 'batch' | 'latents' | 'columns' | 'width' | 'samples' | 'prefixes' | 'mergedCapacity';

/** Mutable globals of kernel/layout.ts that hold byte addresses; see there for each one's shape. */
export type KernelAddress =
  | 'centred'
  | 'preActivations'
  | 'gradients'
  | 'depths'
  | 'squaredErrors'
  | 'prefixRow'
  | 'decoder'
  | 'decoderM'
  | 'decoderV'
  | 'inverseNorms'
  | 'norms'
  | 'encoderBytes'
  | 'activationBytes'
  | 'latentScales'
  | 'latentNorms'
  | 'latentErrors'
  | 'rowScales'
  | 'rowNorms'
  | 'rowErrors'
  | 'most'
  | 'mostScales'
  | 'mostSteps'
  | 'leastOfMost'
  | 'bounds'
  | 'ownBounds'
  | 'byteMaxima'
  | 'byteTile'
  | 'candidateRows'
  | 'candidateLatents'
  | 'candidateValues'
  | 'deadEncoder'
  | 'deadDecoder'
  | 'deadInverseNorms'
  | 'deadBiasGradients'
  | 'scoreBias'
  | 'thresholds'
  | 'thresholdsM'
  | 'thresholdsV'
  | 'lowest'
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
  | 'deadRows'
  | 'deadLatents'
  | 'deadValues'
  | 'deadRowStarts'
  | 'deadLatentStarts'
  | 'deadLatentEntries'
  | 'deadGradients'
  | 'silent'
  | 'firingRate'
  | 'fired'
  | 'dead'
  | 'products'
  | 'alongs'
  | 'valueSums'
  | 'decoderGradients'
  | 'encoderGradients'
  | 'encoderBiasGradients'
  | 'thresholdGradients'
  | 'latentSteps'
  | 'latentStarts'
  | 'latentEntries'
  | 'termRows'
  | 'termFactors'
  | 'termDots'
  | 'sumRow'
  | 'encoderRow'
  | 'maxima'
  | 'ranked'
  | 'mergedStarts'
  | 'mergedValues';

/** Mutable globals of kernel/adam.ts. */
export type KernelFactor = 'beta1' | 'beta2' | 'rest1' | 'rest2' | 'stepSize' | 'epsilon' | 'decay' | 'step';

/** Mutable globals of kernel/objective.ts. */
export type KernelObjective =
  | 'projects'
  | 'renormalises'
  | 'keepsNorms'
  | 'l1'
  | 'l0'
  | 'bandwidth'
  | 'reachesInput'
  | 'weighsByNorm'
  | 'byteReach';

/** How the gradients of dead latents are found in a step: see kernel/dead-form.ts. */
export const NO_DEAD = 0;
export const DEAD_BY_ENTRIES = 1;
export const DEAD_BY_PRODUCTS = 2;
export type DeadForm = typeof NO_DEAD | typeof DEAD_BY_ENTRIES | typeof DEAD_BY_PRODUCTS;

type Globals = Readonly<Record<KernelSize | KernelAddress | KernelFactor | KernelObjective, WebAssembly.Global>>;

/** Functions of the kernel; each is described where it is written, under kernel/. */
export interface Kernel extends Globals {
  centre(): void;
  weighScores(): void;
  unweighEntries(count: number): void;
  selectTopK(k: number): number;
  selectBatchTopK(total: number, bound: number, capacity: number): number;
  keepLargest(first: number, end: number, n: number): number;
  indexRows(count: number): void;
  prepareThresholds(): void;
  selectAbove(): number;
  close(first: number, end: number): void;
  writeEncoderBytes(): void;
  writeBatchBytes(): 0 | 1;
  scaleSamples(): void;
  boundProducts(products: number, pool: number, from: number, to: number): void;
  boundSamples(shared: number, own: number, pools: number): void;
  boundBatch(shared: number, own: number, pools: number): void;
  listCandidates(capacity: number, byLatent: 0 | 1): number;
  raiseBounds(count: number, shared: number, own: number, together: 0 | 1): void;
  readonly computed: WebAssembly.Global;
  computeCandidates(count: number, byLatent: 0 | 1): number;
  enterCandidates(count: number): void;
  keepTopOfRows(k: number): number;
  smallest(from: number, to: number): number;
  mergeTopK(shards: number, own: number, k: number, floor: number): number;
  mergeBatchTopK(shards: number, own: number, total: number): number;
  readonly smallestSelected: WebAssembly.Global;
  sumOfFeatures(count: number): number;
  countActive(count: number): number;
  reconstruct(out: number, depth: number): void;
  measure(from: number, to: number, parts: number, shards: number, scale: number): void;
  listDead(deadAfter: number): number;
  listRare(below: number): number;
  gatherDead(count: number, rows: number, out: number): void;
  selectDead(count: number, k: number, floor: number, isGathered: 0 | 1): number;
  spreadDead(count: number): void;
  scoreDead(count: number, products: number): void;
  scatter(rows: number, mean: number): number;
  measureDead(
    from: number,
    to: number,
    parts: number,
    shards: number,
    scale: number,
    deadScale: number,
    out: number,
  ): number;
  countSilence(amount: number): void;
  countFired(): void;
  endFiringWindow(samples: number): void;
  makeUpLatents(): void;
  measureNorms(): void;
  sortByLatent(count: number, latents: number, starts: number, sorted: number): void;
  updateLatents(dead: DeadForm): void;
  gatherLatents(dead: DeadForm): number;
  spreadValues(): void;
  scoreGradients(): void;
  finishGradients(): number;
  applyLatents(scale: number): void;
  sumDecoderBias(parts: number, shards: number): number;
  updateDecoderBias(scale: number): void;
}

/** Instantiates the kernel on `memory`. */
export async function instantiateKernel(memory: WebAssembly.Memory): Promise<Kernel> {
  const bytes = Uint8Array.from(atob(KERNEL_BASE64), character => character.charCodeAt(0));
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
  return instance.exports as unknown as Kernel;
}
