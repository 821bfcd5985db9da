"""Times training steps of a sparse autoencoder in Python: PyTorch's dense form (eager: forward over all latents, autograd, Adam),
or SAELens's own model and loss with the same optimizer.

Answers each line of standard input with one of standard output. {library, dIn, dSae, batchSize, k, kind, betas, threads, device} sets a
model up (on the CPU, or with device "cuda" on a GPU) and gives {"version": ...}; {steps} trains it on and gives {"ms": [...]}.
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


class PyTorch:
    version = torch.__version__

    def __init__(self, dIn, dSae, batchSize, k, kind, betas, device):
        generator = torch.Generator().manual_seed(0)
        directions = torch.randn(dSae, dIn, generator=generator).to(device)
        encoder = torch.nn.functional.normalize(directions, dim=1).T.contiguous()
        self.V = directions.requires_grad_()
        self.W_enc = encoder.requires_grad_()
        self.b_enc = torch.zeros(dSae, device=device, requires_grad=True)
        self.b_dec = torch.zeros(dIn, device=device, requires_grad=True)
        parameters = [self.V, self.W_enc, self.b_enc, self.b_dec]
        self.optimizer = torch.optim.Adam(parameters, lr=1e-3, betas=tuple(map(float, betas)))
        self.batch = torch.randn(batchSize, dIn, generator=generator).to(device)
        self.kind, self.k = kind, k

    def step(self):
        self.optimizer.zero_grad()
        decoder = torch.nn.functional.normalize(self.V, dim=1)
        scores = (self.batch - self.b_dec) @ self.W_enc + self.b_enc
        reconstruction = activation(self.kind, scores, self.k) @ decoder + self.b_dec
        loss = ((self.batch - reconstruction) ** 2).mean()
        loss.backward()
        self.optimizer.step()
        return loss.item()


class SAELens:
    def __init__(self, dIn, dSae, batchSize, k, kind, betas, device):
        import sae_lens
        from sae_lens.saes import batchtopk_sae, sae, topk_sae

        self.version = sae_lens.__version__
        sizes = {"d_in": dIn, "d_sae": dSae, "device": device, "dtype": "float32"}
        if kind == "topk":
            config = topk_sae.TopKTrainingSAEConfig(**sizes, k=k)
            self.model = topk_sae.TopKTrainingSAE(config)
        else:
            config = batchtopk_sae.BatchTopKTrainingSAEConfig(**sizes, k=k)
            self.model = batchtopk_sae.BatchTopKTrainingSAE(config)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, betas=tuple(map(float, betas)))
        batch = torch.randn(batchSize, dIn, generator=torch.Generator().manual_seed(0)).to(device)
        self.input = sae.TrainStepInput(batch, {}, None, 0, False)

    def step(self):
        self.optimizer.zero_grad()
        loss = self.model.training_forward_pass(step_input=self.input).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()


def timed(function):
    start = time.perf_counter()
    function()
    return (time.perf_counter() - start) * 1e3


trainer = None
for line in sys.stdin:
    request = json.loads(line)
    if "steps" in request:
        answer = {"ms": [timed(trainer.step) for _ in range(request["steps"])]}
    else:
        torch.set_num_threads(request.pop("threads"))
        request.setdefault("device", "cpu")
        trainer = {"PyTorch": PyTorch, "SAELens": SAELens}[request.pop("library")](**request)
        answer = {"version": trainer.version}
    print(json.dumps(answer), flush=True)
