/** Features that fire only where another one does: trees, in which children may exclude each other (SAELens, sae_lens/synthetic/hierarchy). */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import { requireRows } from './activation-source.ts';

/** Which features are the children of which. */
export type FeatureTrees = TreeRules &
  (
    | {
        /** The parent of each feature, −1 for one that has none; [n_features]. */
        readonly parents: readonly number[];
      }
    | {
        /**
         * How many roots there are: features 0 … `roots` − 1. Numbers go on level by level; the features that are left
         * belong to no tree.
         */
        readonly roots: number;
        /** How many children each feature above the last level has. */
        readonly branching: number;
        /** How many levels there are below a root. */
        readonly depth: number;
      }
  );

interface TreeRules {
  /**
   * Whether at most one of a feature's children fires in a sample: of those drawn one is kept, each with equal
   * probability. One value for all features, or [n_features]. Default false.
   */
  readonly exclusive?: boolean | readonly boolean[];
  /**
   * Whether a child's magnitude is multiplied by its parent's magnitude divided by the parent's mean magnitude. The
   * parent's magnitude is itself scaled so. Default false.
   */
  readonly scaleByParent?: boolean;
  /**
   * Whether the given firing probabilities hold over all samples, instead of over those where the parent fires. They
   * are then divided by the parent's and, among exclusive siblings, multiplied by 1 + Σ p_sibling / p_parent, at most
   * 1. This is SAELens's correction, which is exact only without siblings. Default false.
   */
  readonly compensate?: boolean;
}

/** Trees as plain data. */
export interface TreeRecipe {
  readonly parents: readonly number[];
  /** Whether the children of each feature exclude each other. */
  readonly exclusive: readonly boolean[];
  readonly scaleByParent: boolean;
}

/**
 * The trees that options describe.
 * @throws InvalidShapeError where there is not one parent for each feature, InvalidValueError for counts out of range and for circles
 */
export function treesOf(nFeatures: number, trees: FeatureTrees): TreeRecipe {
  const parents = 'parents' in trees ? [...trees.parents] : grown(nFeatures, trees);
  const { exclusive = false, scaleByParent = false } = trees;
  for (const [name, values] of Object.entries({ parents, exclusive })) {
    if (typeof values !== 'boolean' && values.length !== nFeatures) {
      throw new InvalidShapeError(`trees: there are ${values.length} of ${name} for ${nFeatures} features`);
    }
  }
  const wrong = parents.findIndex(parent => !Number.isInteger(parent) || parent < -1 || parent >= nFeatures);
  if (wrong >= 0) {
    throw new InvalidValueError(`trees: the parent of feature ${wrong} is ${parents[wrong]}, expected a feature or −1`);
  }
  for (let feature = 0; feature < nFeatures; feature++) {
    let [above, levels] = [parents[feature]!, 0];
    while (above >= 0 && levels <= nFeatures) [above, levels] = [parents[above]!, levels + 1];
    if (levels > nFeatures) throw new InvalidValueError(`trees: feature ${feature} is below itself`);
  }
  return {
    parents,
    exclusive: typeof exclusive === 'boolean' ? new Array<boolean>(nFeatures).fill(exclusive) : [...exclusive],
    scaleByParent,
  };
}

function grown(nFeatures: number, { roots, branching, depth }: { roots: number; branching: number; depth: number }) {
  for (const [name, count] of Object.entries({ roots, branching, depth })) requireRows(`trees: ${name}`, count);
  const parents = new Array<number>(nFeatures).fill(-1);
  let level = Array.from({ length: Math.min(roots, nFeatures) }, (_, root) => root);
  let next = level.length;
  for (let below = 0; below < depth; below++) {
    const children: number[] = [];
    for (const parent of level) {
      for (let child = 0; child < branching && next < nFeatures; child++) {
        parents[next] = parent;
        children.push(next++);
      }
    }
    level = children;
  }
  return parents;
}

/** The children of each feature, ascending. */
export function childrenOf({ parents }: TreeRecipe): readonly Int32Array[] {
  const lists = parents.map((): number[] => []);
  for (const [feature, parent] of parents.entries()) if (parent >= 0) lists[parent]!.push(feature);
  return lists.map(list => Int32Array.from(list));
}

/**
 * Probabilities of a draw while the parent fires, so that over all samples each feature fires about as often as `base`
 * says: the formula of SAELens's `compute_probability_correction_factors`.
 */
export function compensated(base: Float64Array, trees: TreeRecipe): Float64Array {
  const drawn = base.slice();
  for (const [parent, children] of childrenOf(trees).entries()) {
    const own = base[parent]!;
    if (own === 0) continue;
    const together = children.reduce((sum, child) => sum + base[child]!, 0);
    const competes = trees.exclusive[parent]! && children.length > 1;
    for (const child of children) {
      const others = competes ? Math.max(0, together - base[child]!) / own : 0;
      drawn[child] = Math.min(1, (base[child]! / own) * (1 + others));
    }
  }
  return drawn;
}
