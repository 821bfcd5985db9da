/** The module's public face: every address in layout.ts, Adam's numbers, and the phases of a step in the order they run. */

export { beta1, beta2, decay, epsilon, rest1, rest2, step, stepSize } from './adam.ts';
export { centre, measure, reconstruct } from './forward.ts';
export * from './layout.ts';
export { mergeBatchTopK, mergeTopK, smallestSelected } from './merge.ts';
export { selectBatchTopK, selectTopK, smallest } from './select.ts';
export { makeUpLatents, measureNorms, sortByLatent, updateDecoderBias, updateLatents } from './update.ts';
