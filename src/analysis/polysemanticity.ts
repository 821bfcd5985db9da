/** How much a feature's direction is shared with others ("Toy Models of Superposition", Elhage et al. 2022). */
import type { HostTensor } from '../tensor.ts';
import { gramRows } from './gram-rows.ts';
import { matrixBatch } from './matrix-batch.ts';

/**
 * Norm of row i of Ŵ Wᵀ without its diagonal, for the directions `weight` […, n, m], as […, n], where
 * Ŵ_i = W_i / (1e-5 + ‖W_i‖): 0 for a feature orthogonal to all others.
 */
export function polysemanticity(weight: HostTensor): HostTensor {
  return offDiagonal(weight, (interference, normSquared) => Math.sqrt(interference) / (1e-5 + Math.sqrt(normSquared)));
}

/** Σ_{j≠i} (W_i · W_j)² for the directions `weight` […, n, m], as […, n]: the interference without any normalisation. */
export function polysemanticityUnnormalised(weight: HostTensor): HostTensor {
  return offDiagonal(weight, interference => interference);
}

/** Maps Σ_{j≠i} (W_i · W_j)² and ‖W_i‖² of every row. */
function offDiagonal(weight: HostTensor, score: (interference: number, normSquared: number) => number): HostTensor {
  const { batchShape, rows } = matrixBatch(weight, 'weight');
  const data = gramRows(weight, (products, row) => {
    let interference = 0;
    for (let other = 0; other < rows; other++) if (other !== row) interference += products[other]! ** 2;
    return score(interference, products[row]!);
  });
  return { data, shape: [...batchShape, rows] };
}
