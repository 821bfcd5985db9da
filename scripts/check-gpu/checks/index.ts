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

/** A check and its limits. */
export interface Check {
  readonly name: string;
  /** The seconds after which the check is ended. */
  readonly seconds: number;
  /** Whether it is only for paths that run .onnx files. */
  readonly inference?: boolean;
  /** Whether it takes so many multiplications that a software adapter would need minutes. */
  readonly large?: boolean;
  /** Whether it is for CUDA only, with TensorFloat-32 allowed. */
  readonly tf32?: boolean;
  run(context: CheckContext): Promise<void>;
}

/** The check that a path starts at all; without it no other check of the path is run. */
export const LOADS: Check = { name: 'loads', seconds: 90, run: checkLoads };

/** All other checks in the order in which they run. */
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
          // By float32's measure its results are wrong, and may be; the report says by how much.
          report: finding => report({ ...finding, check: `${finding.check}, TensorFloat-32`, outcome: 'ran' }),
        }),
    }),
  ),
];
