/** The share of a dimension that a feature occupies ("Toy Models of Superposition", Elhage et al. 2022). */
import type { HostTensor } from '../tensor.ts';
import { gramRows } from './gram-rows.ts';
import { matrixBatch } from './matrix-batch.ts';

/**
 * D_i = ‖W_i‖² / Σ_j (Ŵ_i · W_j)² for the directions `weight` […, n, m], as […, n], where Ŵ_i = W_i / ‖W_i‖. It is 1
 * for a feature alone in its dimension, ½ in an antipodal pair, ⅖ in a pentagon, 0 for a zero row; Σ_i D_i ≤ m.
 */
export function featureDimensionality(weight: HostTensor): HostTensor {
  const { batchShape, rows } = matrixBatch(weight, 'weight');
  const data = gramRows(weight, (products, row) => {
    const normSquared = products[row]!;
    if (normSquared === 0) return 0;
    let total = 0;
    for (const product of products) total += product ** 2;
    return normSquared ** 2 / total;
  });
  return { data, shape: [...batchShape, rows] };
}
