"""F1 in PyTorch, to the letter of charlieoneill11/sparse-inference: the SAE of unknown codes and dictionary, a data seed each.

    python sparse_inference.py SEEDS STEPS LEARNING_RATE VARIANT

VARIANT is `theirs` (the encoder starts uniform on ±1/√8, whatever the decoder), `decoder` (it starts as the decoder's transpose) or `projected`
(as theirs, but the gradient's component along each decoder row is taken out, as dictionary_learning does and our `renormalise`).
Prints a JSON list of {code, dictionary}, one for each seed. All seeds are trained at once, each on rows of its own.
"""

import json
import sys

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

SOURCES, WIDTH, ACTIVE, ROWS = 16, 8, 3, 1024
seeds, steps, rate, variant = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]


def codes(random):
    values = np.zeros((2 * ROWS, SOURCES), np.float32)
    for row in values:
        row[random.choice(SOURCES, ACTIVE, replace=False)] = np.abs(random.standard_normal(ACTIVE))
    return values


def pearson(a, b):
    """|Pearson| of each row of a with each of b."""
    def centred(rows):
        moved = rows - rows.mean(1, keepdims=True)
        norm = np.linalg.norm(moved, axis=1, keepdims=True)
        return np.where(norm < 1e-12, 0, moved / np.maximum(norm, 1e-12))
    return np.abs(centred(a) @ centred(b).T)


def greedy(matrix):
    taken, left = [], matrix.copy()
    for _ in range(len(matrix)):
        row, column = np.unravel_index(left.argmax(), left.shape)
        taken.append(matrix[row, column])
        left[row], left[:, column] = -1, -1
    return float(np.mean(taken))


truth, rows, encoders, decoders = [], [], [], []
for seed in range(seeds):
    random = np.random.default_rng(seed)
    directions = random.standard_normal((SOURCES, WIDTH)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    source = codes(random)
    truth.append((directions, source[ROWS:]))
    rows.append(source @ directions)
    decoder = random.standard_normal((SOURCES, WIDTH)).astype(np.float32)
    decoders.append(decoder)
    unit = decoder / np.linalg.norm(decoder, axis=1, keepdims=True)
    encoders.append(unit.T if variant == "decoder" else random.uniform(-1, 1, (WIDTH, SOURCES)).astype(np.float32) / WIDTH**0.5)
x = torch.tensor(np.stack(rows))
training, test = x[:, :ROWS], x[:, ROWS:]
encoder = torch.nn.Parameter(torch.tensor(np.stack(encoders)))
decoder = torch.nn.Parameter(torch.tensor(np.stack(decoders)))
optimizer = torch.optim.Adam([encoder, decoder], lr=rate)
for _ in range(steps):
    with torch.no_grad():
        decoder /= decoder.norm(dim=-1, keepdim=True)
    f = torch.relu(training @ encoder)
    # Means over the elements of one seed; the sum over seeds leaves their gradients apart.
    loss = ((f @ decoder - training).square().mean((1, 2)) + 0.01 * f.abs().mean((1, 2))).sum()
    optimizer.zero_grad()
    loss.backward()
    if variant == "projected":
        rows_now = decoder.detach()
        decoder.grad -= (decoder.grad * rows_now).sum(-1, keepdim=True) * rows_now
    optimizer.step()
with torch.no_grad():
    found = torch.relu(test @ encoder).numpy()
scores = []
for seed, (directions, source) in enumerate(truth):
    matrix = pearson(found[seed].T, source.T)
    scores.append({
        "code": float(matrix[linear_sum_assignment(-matrix)].mean()),
        "dictionary": greedy(pearson(decoder[seed].detach().numpy(), directions)),
    })
print(json.dumps(scores))
