/** `monosemantic/analysis`: what a dictionary learned, measured. Plain arrays in and out; runs anywhere and needs nothing else. */
export { type BestMatches, bestMatches, uniqueness } from './best-matches.ts';
export { cosineSimilarityMatrix } from './cosine-similarity.ts';
export { DecoderProjection, type DecoderProjectionOptions } from './decoder-projection.ts';
export { type DensityHistogram, densityHistogram } from './density-histogram.ts';
export { type Detection, DetectionF1 } from './detection-f1.ts';
export { type DictionaryCosine, type DictionaryCosineOptions, dictionaryCosine } from './dictionary-cosine.ts';
export { type DuplicateOptions, type DuplicatePair, duplicates } from './duplicates.ts';
export { type EncoderAlignment, encoderAlignment } from './encoder-alignment.ts';
export { ExplainedVariance } from './explained-variance.ts';
export { featureDimensionality } from './feature-dimensionality.ts';
export { type Firing, FiringDensity } from './firing-density.ts';
export { injectiveFeatureMatching } from './injective-matching.ts';
export { L0 } from './l0.ts';
export { type L0Distribution, L0Histogram } from './l0-histogram.ts';
export { type LatentDetection, LatentF1 } from './latent-detection.ts';
export {
  type DirectionMatching,
  type MatchOptions,
  matchDirections,
  meanCorrelation,
  pairwiseMeanCorrelation,
} from './match-directions.ts';
export { maxFeatureSimilarity } from './max-feature-similarity.ts';
export { type Matching, optimalMatching } from './optimal-matching.ts';
export { polysemanticity, polysemanticityUnnormalised } from './polysemanticity.ts';
export { ReconstructionNorm, type ReconstructionNorms } from './reconstruction-norm.ts';
export { type FeatureRecovery, type Recovery, type RecoveryOptions, recovery } from './recovery.ts';
export { angularGaps, isRegularPolygon, type PolygonOptions } from './regular-polygon.ts';
export { sphericalCapShare } from './spherical-cap.ts';
export { type MeanInterval, studentInterval, studentQuantile } from './student-interval.ts';
export { type Interval, wilsonInterval } from './wilson-interval.ts';
