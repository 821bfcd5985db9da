/** Generators from plain data. */
import { hiddenActivations } from './hidden-activations.ts';
import type { RandomSource } from './random-source.ts';
import type { SampleGenerator, SampleRecipe } from './sample-generator.ts';
import { SyntheticClusteredDataGenerator } from './synthetic-clustered.ts';
import { FiringFeatureGenerator } from './synthetic-firing.ts';
import { SyntheticSparseDataGenerator } from './synthetic-sparse.ts';

/** The generator that `recipe` describes, drawing from `random`. */
export function generatorFrom(recipe: SampleRecipe, random: RandomSource): SampleGenerator {
  switch (recipe.kind) {
    case 'sparse':
      return new SyntheticSparseDataGenerator(recipe.batchSize, recipe.sparsity, random);
    case 'clustered':
      return SyntheticClusteredDataGenerator.fromState(recipe.state, random);
    case 'hidden':
      return hiddenActivations(recipe.weight, generatorFrom(recipe.features, random), recipe.bias);
    case 'firing':
      return new FiringFeatureGenerator(recipe, random);
  }
}
