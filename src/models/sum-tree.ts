/**
 * A binary tree of sums: draws an index with probability proportional to a weight that changes between draws, each draw
 * and each change in O(log n). Sums are added up anew, never corrected by differences, so that small weights stay exact.
 */
/** Draws indices with probabilities proportional to changing weights. */
export class SumTree {
  readonly #leaves: number;
  /** Node 1 is the root; the children of i are 2i and 2i + 1. */
  readonly #sums: Float64Array;

  /** `n` weights, each at least 0, all equal to `weight` at first. */
  constructor(n: number, weight: number) {
    this.#leaves = 2 ** Math.ceil(Math.log2(Math.max(n, 1)));
    this.#sums = new Float64Array(2 * this.#leaves);
    this.#sums.fill(weight, this.#leaves, this.#leaves + n);
    for (let node = this.#leaves - 1; node >= 1; node--) this.#add(node);
  }

  get total(): number {
    return this.#sums[1]!;
  }

  weight(index: number): number {
    return this.#sums[this.#leaves + index]!;
  }

  setWeight(index: number, weight: number): void {
    let node = this.#leaves + index;
    this.#sums[node] = weight;
    for (node >>= 1; node >= 1; node >>= 1) this.#add(node);
  }

  /**
   * The index at the share `u`, in [0, 1), of the total weight, which must be positive. It is never an index of weight
   * 0.
   */
  find(u: number): number {
    const sums = this.#sums;
    let rest = u * this.total;
    let node = 1;
    while (node < this.#leaves) {
      const left = sums[2 * node]!;
      const goRight = (rest >= left && sums[2 * node + 1]! > 0) || left === 0;
      if (goRight) rest -= left;
      node = 2 * node + Number(goRight);
    }
    return node - this.#leaves;
  }

  #add(node: number): void {
    this.#sums[node] = this.#sums[2 * node]! + this.#sums[2 * node + 1]!;
  }
}
