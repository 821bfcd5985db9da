/**
 * `monosemantic` in Node: models, data, training, freezing, engines and checkpoints. browser.ts exports what browsers
 * have too.
 */
export * from './browser.ts';
export {
  type ActivationFileOptions,
  type ActivationFileSource,
  activationFiles,
  type OpenActivationFiles,
} from './data/activation-files.ts';
export {
  type ActivationCheck,
  type CheckOptions,
  checkActivations,
  type NormSummary,
} from './data/check-activations.ts';
export { openSyntheticModel, type SyntheticModelOptions } from './data/saved-synthetic-model.ts';
export { type EngineProbe, probeEngines } from './engines/available-engines.ts';
export { createEngine, ENGINE_NAMES, type EngineOptions } from './engines/create-engine.ts';
export { loadSaeFolder, saveSaelensFolder } from './export/load-sae-folder.ts';
export { type SaveSaeOptions, saveSae } from './export/save-sae.ts';
export { loadNodeRuntime } from './sessions/node.ts';
export {
  type Checkpoint,
  checkpointFile,
  loadCheckpoint,
  type Snapshot,
  saveCheckpoint,
} from './training/checkpoint.ts';
export { trainSae, trainSaes, trainToyModel, trainToyModels } from './training/node.ts';
