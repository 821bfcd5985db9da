/**
 * `monosemantic/features` in Node: builds feature bundles, and reads them as browsers do. Building needs onnxruntime-node, and nothing of
 * TensorFlow.js.
 */
export {
  type BuiltBundle,
  type BundleProgress,
  buildFeatureBundle,
  type FeatureBundleOptions,
} from './build-bundle.ts';
export { readExplanations, writeExplanations } from './explanations.ts';
export { type FeatureRowBatch, type FeatureRows, type RowProvenance, type RowValues, rowsOf } from './feature-rows.ts';
export { type FileRowOptions, type FileRows, openFileRows } from './file-rows.ts';
export { openHostRows } from './host-rows.ts';
export * from './index.ts';
export { type NeuronpediaOptions, writeNeuronpedia } from './neuronpedia.ts';
export { folderSource } from './node-bundle-source.ts';
export { openFeatureBundle } from './open-bundle-folder.ts';
export { explanationsOfBundle } from './rule-explanations.ts';
export { readTokenTexts, type TokenTexts } from './token-table.ts';
