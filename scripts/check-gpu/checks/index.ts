/** All checks in the order in which they run: what tells most comes first, so that a table that is cut short tells most. */
import { TRAINING_FILES } from '../../reference/training-file.ts';
import { TOPK_SIZES, TRAINING_WORKS } from '../works.ts';
import { checkDeviceLoss } from './device-loss.ts';
import { checkPublishedModels, checkTopK } from './frozen-models.ts';
import { checkLoads } from './loads.ts';
import { checkOutOfMemory } from './out-of-memory.ts';
import { checkReference, referenceCheckName } from './reference.ts';
import type { CheckContext } from './report.ts';
import { checkTraining } from './training.ts';

export interface Check {
  readonly name: string;
  /** It ends, whatever it does, after so many seconds. */
  readonly seconds: number;
  /** For paths that run .onnx files alone. */
  readonly inference?: boolean;
  /** So many multiplications that a software adapter would take minutes. */
  readonly large?: boolean;
  /** CUDA alone: with TensorFloat-32 allowed. */
  readonly tf32?: boolean;
  run(context: CheckContext): Promise<void>;
}

export const LOADS: Check = { name: 'loads', seconds: 90, run: checkLoads };

export const CHECKS: readonly Check[] = [
  ...TRAINING_FILES.map(
    (file): Check => ({
      name: referenceCheckName(file),
      seconds: 60,
      run: context => checkReference(file, context),
    }),
  ),
  { name: 'models/*.onnx', seconds: 60, inference: true, run: checkPublishedModels },
  ...TRAINING_WORKS.map(
    (work): Check => ({
      name: `train ${work.name}`,
      seconds: 90,
      large: (work.sae?.dSae ?? 0) >= 4096,
      run: context => checkTraining(work, context),
    }),
  ),
  ...TOPK_SIZES.map(
    (size): Check => ({
      name: `encode TopK ${size.dIn}/${size.dSae}`,
      seconds: 120,
      inference: true,
      large: size.dSae > 4096,
      run: context => checkTopK(size, context),
    }),
  ),
  { name: 'out of memory', seconds: 60, run: checkOutOfMemory },
  { name: 'device lost', seconds: 45, run: checkDeviceLoss },
  ...TRAINING_WORKS.filter(({ sae }) => sae?.dSae === 16_384).map(
    (work): Check => ({
      name: `train ${work.name}, TensorFloat-32`,
      seconds: 90,
      tf32: true,
      large: true,
      run: ({ report, ...context }) =>
        checkTraining(work, {
          ...context,
          // It is not right by float32's measure and need not be: by how much is what is asked.
          report: finding => report({ ...finding, check: `${finding.check}, TensorFloat-32`, outcome: 'ran' }),
        }),
    }),
  ),
];
