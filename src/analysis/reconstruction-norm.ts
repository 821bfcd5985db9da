/** Shrinkage and the relative reconstruction bias, which tell whether reconstructions are too short. */
import { InvalidShapeError } from '../errors.ts';
import { type HostTensor, sameShape } from '../tensor.ts';
import { batchWidth, requireSamples } from './sample-batch.ts';

/** Activations of a smaller norm are left out of the shrinkage. */
const LEAST_NORM = 1e-6;

/** The length of reconstructions compared with that of the activations. */
export interface ReconstructionNorms {
  /** Mean of ‖x̂‖ / ‖x‖ over samples with ‖x‖ > 1e-6: 1 where nothing shrinks. Undefined where there is no such sample. */
  readonly shrinkage: number | undefined;
  /** E‖x̂‖² / E[x · x̂]: 1 where no common factor would lessen the error, below 1 where reconstructions are too short. Undefined where E[x · x̂] is 0. */
  readonly relativeReconstructionBias: number | undefined;
  /** How many samples were added. */
  readonly samples: number;
}

/**
 * Two measures of how long reconstructions are, over all batches added, in float64.
 *
 * Shrinkage is that of SynthSAEBench (`ShrinkageCalculator` of SAELens), a mean of ratios. The relative reconstruction bias γ is that of Rajamanoharan et
 * al. 2024, "Improving Dictionary Learning with Gated Sparse Autoencoders", equation 10: the minimiser of E‖x̂/γ′ − x‖² over γ′.
 * The two differ where the direction is wrong: x̂ perpendicular to x has a shrinkage and no γ.
 */
export class ReconstructionNorm {
  #samples = 0;
  #ratios = 0;
  #counted = 0;
  #squares = 0;
  #products = 0;

  /**
   * Adds activations and their reconstruction, both [samples, d].
   * @throws InvalidShapeError where the shapes differ
   */
  add(activations: HostTensor, reconstruction: HostTensor): void {
    const width = batchWidth(activations, 'activations');
    if (!sameShape(activations.shape, reconstruction.shape)) {
      throw new InvalidShapeError(
        `activations [${activations.shape.join(', ')}] and reconstruction [${reconstruction.shape.join(', ')}] ` +
          'must have the same shape',
      );
    }
    const [x, y] = [activations.data, reconstruction.data];
    for (let row = 0; row < x.length; row += width) {
      let ofInput = 0;
      let ofOutput = 0;
      for (let at = row; at < row + width; at++) {
        ofInput += x[at]! * x[at]!;
        ofOutput += y[at]! * y[at]!;
        this.#products += x[at]! * y[at]!;
      }
      this.#squares += ofOutput;
      if (Math.sqrt(ofInput) > LEAST_NORM) {
        this.#ratios += Math.sqrt(ofOutput / ofInput);
        this.#counted++;
      }
    }
    this.#samples += activations.shape[0]!;
  }

  /**
   * Both measures over all batches.
   * @throws InvalidValueError where nothing was added
   */
  compute(): ReconstructionNorms {
    requireSamples(this.#samples, 'shrinkage');
    return {
      shrinkage: this.#counted > 0 ? this.#ratios / this.#counted : undefined,
      relativeReconstructionBias: this.#products === 0 ? undefined : this.#squares / this.#products,
      samples: this.#samples,
    };
  }
}
