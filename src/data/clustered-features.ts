/** Clustered features as a source: every sample is about a few topics, and each topic makes its own features likely. */
import { requireRows } from './activation-source.ts';
import { type GeneratedSource, generatedSource } from './generated-source.ts';
import { randomStream } from './streams.ts';
import {
  type ClusteredDataOptions,
  type ClusteredDataState,
  SyntheticClusteredDataGenerator,
} from './synthetic-clustered.ts';

/** How many topics and features there are, and how they go together. */
export interface ClusteredFeatureOptions extends ClusteredDataOptions {
  readonly nTopics: number;
  readonly nFeatures: number;
  /** The seed of the topics. They are the data's, not a run's: runs of any seed learn the same topics. Default 0. */
  readonly seed?: number;
}

/** Clustered features and their topics. */
export interface ClusteredFeatures extends GeneratedSource {
  /** The topics, as plain data. */
  readonly state: ClusteredDataState;
}

/**
 * Features that appear together: P(feature | topic) ~ Beta(`beta`), topic weights of each sample ~ Dirichlet(`alpha`), features that are
 * present uniform on [0, 1).
 * @returns a source of rows [n_features]
 * @throws InvalidValueError for counts, concentrations and probabilities out of range
 */
export function clusteredFeatures(options: ClusteredFeatureOptions): ClusteredFeatures {
  const { nTopics, nFeatures, seed = 0, beta = [0.1, 2], featureProbabilities } = options;
  requireRows('nTopics', nTopics);
  requireRows('nFeatures', nFeatures);
  const { alpha, ...state } = new SyntheticClusteredDataGenerator(
    nTopics,
    nFeatures,
    randomStream(seed, 'topics'),
    options,
  ).state();
  const origin = featureProbabilities ? { featureProbabilities: state.featureProbabilities } : { beta, seed };
  const source = generatedSource({
    description: { kind: 'clustered-features', nTopics, nFeatures, alpha, topics: origin },
    width: nFeatures,
    generator: random => SyntheticClusteredDataGenerator.fromState({ ...state, alpha }, random),
  });
  return { ...source, state: { ...state, alpha } };
}
