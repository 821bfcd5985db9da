"""Trains small models in PyTorch as the seed does, eager, and times it; data included.

Reads one JSON object {work, steps, warmup} a line from standard input and answers each with {"ms": ms a step, "dataMs": ...,
"version": ...}, of one thread or all of them, whichever is faster.
"""

import json
import sys
import time

import torch

IMPORTANCE = 0.9 ** torch.arange(5)


def features(*shape):
    """Uniform on [0, 1), each zero with probability .9."""
    return torch.rand(*shape, 5) * (torch.rand(*shape, 5) > 0.9)


class ToyModel:
    def __init__(self, *lead):
        self.weight = (torch.randn(*lead, 5, 2) * (2 / 7) ** 0.5).requires_grad_()
        self.bias = torch.zeros(*lead, 1, 5).requires_grad_()
        self.lead = lead
        self.optimizer = torch.optim.AdamW([self.weight, self.bias], lr=1e-3)

    def batch(self):
        return features(*self.lead, 1024)

    def loss(self, x):
        out = torch.relu(x @ self.weight @ self.weight.transpose(-1, -2) + self.bias)
        return (IMPORTANCE * (x - out) ** 2).mean(dim=(-1, -2)).sum()


class Autoencoder:
    def __init__(self, *lead):
        self.toy_weight = torch.randn(5, 2)
        rows = torch.nn.functional.normalize(torch.randn(*lead, 5, 2), dim=-1)
        self.V = rows.clone().requires_grad_()
        self.W_enc = rows.transpose(-1, -2).contiguous().requires_grad_()
        self.b_enc = torch.zeros(*lead, 1, 5).requires_grad_()
        self.b_dec = torch.zeros(*lead, 1, 2).requires_grad_()
        self.lead = lead
        self.optimizer = torch.optim.Adam([self.V, self.W_enc, self.b_enc, self.b_dec], lr=0.005, betas=(0.0, 0.999))

    def batch(self):
        with torch.no_grad():
            return features(*self.lead, 2048) @ self.toy_weight

    def loss(self, x):
        scores = (x - self.b_dec) @ self.W_enc + self.b_enc
        values, indices = torch.topk(scores, 1, dim=-1)
        latents = torch.zeros_like(scores).scatter(-1, indices, torch.relu(values))
        decoder = torch.nn.functional.normalize(self.V, dim=-1)
        return ((x - latents @ decoder - self.b_dec) ** 2).mean(dim=(-1, -2)).sum()


WORKS = {
    "toy model": lambda: ToyModel(),
    "SAE": lambda: Autoencoder(),
    "parallel toy models": lambda: ToyModel(10),
    "256 SAEs": lambda: Autoencoder(256),
}


def measure(model, steps, warmup):
    data = 0.0
    for step in range(warmup + steps):
        if step == warmup:
            data, start = 0.0, time.perf_counter()
        clock = time.perf_counter()
        batch = model.batch()
        data += time.perf_counter() - clock
        model.optimizer.zero_grad()
        loss = model.loss(batch)
        loss.backward()
        model.optimizer.step()
        loss.item()
    return {
        "ms": (time.perf_counter() - start) / steps * 1e3,
        "dataMs": data / steps * 1e3,
        "version": torch.__version__,
    }


THREADS = torch.get_num_threads()

for line in sys.stdin:
    request = json.loads(line)
    answers = []
    # The smallest models run faster on one thread: give PyTorch whichever suits it.
    for threads in {1, THREADS}:
        torch.set_num_threads(threads)
        answers.append(measure(WORKS[request["work"]](), request["steps"] // 2 or 1, request["warmup"]))
    print(json.dumps(min(answers, key=lambda answer: answer["ms"])), flush=True)
