/** The step by which machines and engines are compared. It is small, and the one that the first experiment takes. */
import { createRandomSource } from '../data/random-source.ts';
import type { StepProgram } from '../engines/engine.ts';
import { ToyModel } from '../models/toy-model.ts';
import { filled } from '../tensor.ts';
import { toyModelTrainable } from './losses.ts';
import { adam } from './optimizers.ts';
import { trainingStep } from './training-step.ts';

/** The name of the standard step, for tables. */
export const STANDARD_STEP = 'toy model 5 → 2, batch 1024, AdamW';

/** One AdamW step of a toy model with five features in two dimensions, on batches of 1,024. */
export function standardStep(): StepProgram {
  const model = new ToyModel({ nFeatures: 5, nHidden: 2 }, createRandomSource(0));
  return trainingStep({
    model: toyModelTrainable(model, filled([5], 1)),
    state: model.state,
    optimizer: adam({ name: 'adamw' }),
    batch: { features: [1024, 5] },
  });
}
