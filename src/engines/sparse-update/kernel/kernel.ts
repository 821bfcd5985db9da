/** The module's public face: every address in layout.ts, the objective's and Adam's numbers, and a step's phases in the order they run. */

export { beta1, beta2, decay, epsilon, rest1, rest2, step, stepSize } from './adam.ts';
export {
  countFired,
  countSilence,
  endFiringWindow,
  gatherDead,
  listDead,
  listRare,
  scoreDead,
  selectDead,
  spreadDead,
} from './dead.ts';
export { finishGradients, scoreGradients, spreadValues } from './dense.ts';
export {
  boundBatch,
  boundProducts,
  boundSamples,
  computeCandidates,
  computed,
  enterCandidates,
  keepTopOfRows,
  listCandidates,
  raiseBounds,
  scaleSamples,
  writeBatchBytes,
  writeEncoderBytes,
} from './estimate.ts';
export {
  centre,
  countActive,
  measure,
  measureDead,
  reconstruct,
  scatter,
  sumOfFeatures,
  unweighEntries,
  weighScores,
} from './forward.ts';
export * from './layout.ts';
export { mergeBatchTopK, mergeTopK, smallestSelected } from './merge.ts';
export {
  bandwidth,
  byteReach,
  keepsNorms,
  l0,
  l1,
  projects,
  reachesInput,
  renormalises,
  weighsByNorm,
} from './objective.ts';
export { indexRows, keepLargest, selectBatchTopK, selectTopK, smallest } from './select.ts';
export { close, prepareThresholds, selectAbove } from './threshold.ts';
export {
  applyLatents,
  gatherLatents,
  makeUpLatents,
  measureNorms,
  sortByLatent,
  sumDecoderBias,
  updateDecoderBias,
  updateLatents,
} from './update.ts';
