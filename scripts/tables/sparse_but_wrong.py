"""The correlation matrix of the large toy of "Sparse but Wrong" (arXiv 2508.16560v3), whose random numbers are Python's.

    python sparse_but_wrong.py > sparse-but-wrong.json

Of the 1,225 pairs of 50 features 30% are left at 0; of the others, in the order of random.sample after random.seed(42), the first half is positive and
|rho| is uniform on [.3, .9]. Eigenvalues are clipped at 1e-6 and the diagonal is brought back to 1. Prints the rows of the lower triangle.
"""
import json
import random

import numpy

N = 50


def main():
    random.seed(42)
    pairs = [(i, j) for i in range(N) for j in range(i + 1, N)]
    chosen = random.sample(pairs, len(pairs) - int(len(pairs) * 0.3))
    matrix = numpy.eye(N)
    for position, (i, j) in enumerate(chosen):
        sign = 1 if position < len(chosen) // 2 else -1
        matrix[i, j] = matrix[j, i] = sign * random.uniform(0.3, 0.9)
    values, vectors = numpy.linalg.eigh(matrix)
    matrix = vectors @ numpy.diag(numpy.clip(values, 1e-6, None)) @ vectors.T
    scale = numpy.sqrt(numpy.diag(matrix))
    matrix /= numpy.outer(scale, scale)
    print(json.dumps([[round(float(value), 7) for value in matrix[row, :row]] for row in range(N)]))


if __name__ == "__main__":
    main()
