"""Times one training step of a dense sparse autoencoder in PyTorch, eager: forward over all latents, autograd, Adam.

Reads one JSON object {dIn, dSae, batchSize, k, kind, betas, steps, warmup, threads} a line from standard input and answers
each with {"ms": [...], "version": ...} on standard output.
"""

import json
import sys
import time

import torch


def activation(kind, scores, k):
    """TopK: the k largest of each sample, then ReLU. BatchTopK: ReLU, then the k * batch largest of the batch."""
    if kind == "topk":
        values, indices = torch.topk(scores, k, dim=-1)
        return torch.zeros_like(scores).scatter(-1, indices, torch.relu(values))
    positive = torch.relu(scores).flatten()
    values, indices = torch.topk(positive, int(k * scores.shape[0]), sorted=False)
    return torch.zeros_like(positive).scatter(0, indices, values).view_as(scores)


def measure(dIn, dSae, batchSize, k, kind, betas, steps, warmup, threads):
    if threads:
        torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(dSae, dIn, generator=generator)
    parameters = {
        "V": directions,
        "W_enc": torch.nn.functional.normalize(directions, dim=1).T.contiguous(),
        "b_enc": torch.zeros(dSae),
        "b_dec": torch.zeros(dIn),
    }
    for parameter in parameters.values():
        parameter.requires_grad_()
    optimizer = torch.optim.Adam(parameters.values(), lr=1e-3, betas=tuple(betas))
    batch = torch.randn(batchSize, dIn, generator=generator)
    times = []
    for step in range(warmup + steps):
        start = time.perf_counter()
        optimizer.zero_grad()
        decoder = torch.nn.functional.normalize(parameters["V"], dim=1)
        scores = (batch - parameters["b_dec"]) @ parameters["W_enc"] + parameters["b_enc"]
        reconstruction = activation(kind, scores, k) @ decoder + parameters["b_dec"]
        loss = ((batch - reconstruction) ** 2).mean()
        loss.backward()
        optimizer.step()
        loss.item()
        if step >= warmup:
            times.append((time.perf_counter() - start) * 1e3)
    return times


for line in sys.stdin:
    print(json.dumps({"ms": measure(**json.loads(line)), "version": torch.__version__}), flush=True)
