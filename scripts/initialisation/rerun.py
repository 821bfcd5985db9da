"""One cell of docs/study.md by somebody else: PyTorch, from what the page says alone, with draws of its own.

    python rerun.py '{"start": "gaussian", "seeds": 8}'      # prints {"found": [...], "fvu": [...], "dead": [...]}

With "given", a folder of .npy files, start and batches are those of somebody else: V, W_enc, b_enc, b_dec (seeds first) and rows. Prints the parameters.
"""
import json
import sys

import numpy
import torch
from scipy.optimize import linear_sum_assignment

N, D, K, P, BATCH, RATE = 100, 25, 3, 0.03, 256, 0.003
request = json.loads(sys.argv[1])
S, STEPS, given = request["seeds"], request.get("steps", 8000), request.get("given")
torch.manual_seed(request.get("seed", 1))
torch.set_num_threads(1)
unit = lambda x: x / x.norm(dim=-1, keepdim=True)
load = lambda name: torch.from_numpy(numpy.load(f"{given}/{name}.npy"))
truth, bias = unit(torch.randn(N, D)), unit(torch.randn(D))
if "truth" in request:  # rows of the dictionary, then b: a .npy file
    known = torch.from_numpy(numpy.load(request["truth"]))
    truth, bias = known[:N], known[N]
rows = lambda *shape: (torch.rand(*shape, N) * (torch.rand(*shape, N) < P)) @ truth + bias


def median(x):  # geometric median: Weiszfeld
    m = x.mean(0)
    for _ in range(100):
        w = 1 / (x - m).norm(dim=1, keepdim=True).clamp_min(1e-9)
        m = (w * x).sum(0) / w.sum()
    return m


if given:
    V, W_enc, b_enc, b_dec = load("V"), load("W_enc"), load("b_enc")[:, None], load("b_dec")[:, None]
    batches = load("rows").reshape(STEPS, BATCH, D)
else:
    V = unit(truth.expand(S, N, D) if request["start"] == "truth" else torch.randn(S, N, D)).clone()
    W_enc, b_enc = V.transpose(1, 2).clone(), torch.zeros(S, 1, N)
    # Each seed has a sample of its own.
    b_dec = torch.stack([bias if request["start"] == "truth" else median(rows(10_000)) for _ in range(S)])[:, None]
for parameter in (V, W_enc, b_enc, b_dec):
    parameter.requires_grad_()


def forward(x):
    pre = torch.relu((x - b_dec) @ W_enc + b_enc)
    values, at = pre.topk(K, dim=-1)
    f = torch.zeros_like(pre).scatter(-1, at, values)
    return f, f @ unit(V) + b_dec


adam = torch.optim.Adam([V, W_enc, b_enc, b_dec], lr=RATE, betas=(0.0, 0.999), eps=1e-8)
for step in range(STEPS):
    adam.param_groups[0]["lr"] = RATE * min(1.0, (STEPS - step) / (STEPS // 5))
    x = batches[step].expand(S, BATCH, D) if given else rows(S, BATCH)
    adam.zero_grad()
    # A mean over each seed's samples and dimensions, a sum over seeds: they do not meet.
    ((forward(x)[1] - x) ** 2).mean((1, 2)).sum().backward()
    adam.step()

with torch.no_grad():
    if given:
        print(json.dumps({name: p.flatten().tolist() for name, p in {"V": V, "W_enc": W_enc, "b_enc": b_enc, "b_dec": b_dec}.items()}))
        sys.exit()
    x = rows(4000).expand(S, 4000, D)
    f, y = forward(x)
    alive = (f > 0).any(1)
    fvu = ((x - y) ** 2).sum((1, 2)) / ((x - x.mean(1, keepdim=True)) ** 2).sum((1, 2))
    found = []
    for s in range(S):
        cosines = (unit(V[s])[alive[s]] @ truth.T).numpy()
        found.append(int((cosines[linear_sum_assignment(-cosines)] > 0.9).sum()))
print(json.dumps({"found": found, "fvu": fvu.tolist(), "dead": (~alive).sum(1).tolist()}))
