"""Trains sparse autoencoders in Python, step by step on request, beside ours: four forms of PyTorch and SAELens's own trainer.

Answers each line of standard input with one of standard output:

    {library, kind, dIn, dSae, batchSize, k, learningRate, threads, rows?, auxK?, deadAfter?, dead?, l1?, l0?, device?}   -> {"version": …}
    {"steps": n}        trains on, batch after batch of `rows` (.npy; without it one batch of normal draws)        -> {"ms": […], "processor": […]}
    {"save": folder}    what is trained, in SAELens's inference format, which other libraries read                 -> {"dead": n}

- `dense`: forward over all latents, autograd, Adam; what a notebook does.
- `expert`: the decoder is an embedding_bag of the chosen rows and Adam is fused; the encoder's gradient is autograd's dense product. TopK alone.
- `gathered`: the same with an encoder's gradient of our own that gathers the chosen latents. TopK alone.
- `compiled`: the expert's dense form under torch.compile, where there is a C++ compiler. TopK alone.
- `saelens`: SAETrainer with its own defaults (decoder rows of norm 0.1, betas 0.9 and 0.999, gradient clipped to 1), AuxK as `auxK` says. The
  latents that `dead` lists have a bias too low to fire, and have been silent for long.
"""

import json
import os
import shutil
import sys
import time

import numpy
import torch
from torch.nn import functional

BETAS = (0.0, 0.999)


def top_k(scores, k):
    values, indices = torch.topk(scores, k, dim=-1, sorted=False)
    return torch.relu(values), indices


def activation(kind, scores, k):
    """TopK: the k largest of each sample, then ReLU. BatchTopK: ReLU, then the k * batch largest of the batch. Else ReLU."""
    if kind == "relu":
        return torch.relu(scores)
    if kind == "topk":
        values, indices = top_k(scores, k)
        return torch.zeros_like(scores).scatter(-1, indices, values)
    positive = torch.relu(scores).flatten()
    values, indices = torch.topk(positive, int(k * scores.shape[0]), sorted=False)
    return torch.zeros_like(positive).scatter(0, indices, values).view_as(scores)


class Rows:
    """Batches of a file in turn, from its beginning again after its end; or one batch of normal draws."""

    def __init__(self, path, d_in, batch_size, device):
        if path is None:
            self.rows = torch.randn(batch_size, d_in, generator=torch.Generator().manual_seed(0)).to(device)
        else:
            self.rows = torch.from_numpy(numpy.load(path)).to(device)
        self.batch_size, self.at = batch_size, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.at + self.batch_size > len(self.rows):
            self.at = 0
        batch = self.rows[self.at : self.at + self.batch_size]
        self.at += self.batch_size
        return batch


def start(request, device):
    """Gaussian rows of norm 1, the encoder their transpose, biases zero."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(request["dSae"], request["dIn"], generator=generator)
    rows = functional.normalize(rows, dim=1).to(device)
    zeros = lambda n: torch.zeros(n, device=device, requires_grad=True)
    return rows, zeros(request["dSae"]), zeros(request["dIn"])


class Dense:
    """What a notebook does: the decoder's rows divided by their norms in the forward pass."""

    version = f"PyTorch {torch.__version__}"

    def __init__(self, request, rows, device):
        self.kind, self.k, self.l1 = request["kind"], request["k"], request.get("l1", 0)
        if self.kind == "jumprelu":
            raise NotImplementedError("jumprelu is not written here")
        V, self.b_enc, self.b_dec = start(request, device)
        self.W_enc = V.T.clone().contiguous().requires_grad_()
        self.V = V.requires_grad_()
        self.batches = rows
        parameters = [self.V, self.W_enc, self.b_enc, self.b_dec]
        self.optimizer = torch.optim.Adam(parameters, lr=request["learningRate"], betas=tuple(request.get("betas", BETAS)))

    def step(self):
        batch = next(self.batches)
        self.optimizer.zero_grad()
        decoder = functional.normalize(self.V, dim=1)
        features = activation(self.kind, (batch - self.b_dec) @ self.W_enc + self.b_enc, self.k)
        reconstruction = features @ decoder + self.b_dec
        loss = ((batch - reconstruction) ** 2).mean()
        if self.l1:
            loss = loss + self.l1 * features.sum(-1).mean()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def save(self, folder):
        if self.kind == "batchtopk":
            raise NotImplementedError("a threshold for inference is not kept here")
        write(folder, self.kind, self.k, self.W_enc, self.b_enc, functional.normalize(self.V, dim=1), self.b_dec)
        return None


def write(folder, kind, k, W_enc, b_enc, W_dec, b_dec):
    from safetensors.torch import save_file

    os.makedirs(folder, exist_ok=True)
    named = {"W_enc": W_enc, "b_enc": b_enc, "W_dec": W_dec, "b_dec": b_dec}
    save_file({name: value.detach().cpu().contiguous() for name, value in named.items()}, f"{folder}/sae_weights.safetensors")
    config = {"architecture": "topk" if kind == "topk" else "standard", "d_in": W_dec.shape[1], "d_sae": W_dec.shape[0], "dtype": "float32",
              "apply_b_dec_to_input": True, "normalize_activations": "none", "reshape_activations": "none", "metadata": {}}
    if kind == "topk":
        config |= {"k": k, "rescale_acts_by_decoder_norm": False}
    with open(f"{folder}/cfg.json", "w") as file:
        json.dump(config, file)


class GatheredScores(torch.autograd.Function):
    """Scores of chosen latents, [batch, k]. Forward: the dense product without gradient; backward: of the chosen latents alone."""

    @staticmethod
    def forward(context, centred, W_enc_rows, b_enc, k):
        values, indices = torch.topk(torch.addmm(b_enc, centred, W_enc_rows.T), k, dim=-1, sorted=False)
        context.save_for_backward(centred, W_enc_rows, indices)
        context.mark_non_differentiable(indices)
        return values, indices

    @staticmethod
    def backward(context, gradient, _):
        centred, W_enc_rows, indices = context.saved_tensors
        flat = indices.flatten()
        outer = (gradient.unsqueeze(-1) * centred.unsqueeze(1)).flatten(0, 1)
        weights = torch.zeros_like(W_enc_rows).index_add_(0, flat, outer)
        bias = torch.zeros(len(W_enc_rows), device=centred.device).index_add_(0, flat, gradient.flatten())
        inputs = functional.embedding_bag(indices, W_enc_rows, per_sample_weights=gradient, mode="sum")
        return inputs, weights, bias, None


class Expert:
    """Decoder as an embedding_bag, fused Adam, rows put back to norm 1 after each step."""

    version = f"PyTorch {torch.__version__}"

    def __init__(self, request, rows, device, gathers, compiles=False):
        if request["kind"] != "topk":
            raise NotImplementedError("the expert's form is written for topk")
        self.k, self.gathers = request["k"], gathers
        W_dec, self.b_enc, self.b_dec = start(request, device)
        encoder = W_dec.clone()
        self.encoder = (encoder if gathers else encoder.T.contiguous()).requires_grad_()
        self.W_dec = W_dec.requires_grad_()
        self.batches = rows
        parameters = [self.W_dec, self.encoder, self.b_enc, self.b_dec]
        betas = tuple(request.get("betas", BETAS))
        self.optimizer = torch.optim.Adam(parameters, lr=request["learningRate"], betas=betas, fused=True)
        self.loss = torch.compile(self.forward) if compiles else self.forward

    def forward(self, batch):
        centred = batch - self.b_dec
        if self.gathers:
            values, indices = GatheredScores.apply(centred, self.encoder, self.b_enc, self.k)
        else:
            values, indices = torch.topk(torch.addmm(self.b_enc, centred, self.encoder), self.k, dim=-1, sorted=False)
        reconstruction = functional.embedding_bag(indices, self.W_dec, per_sample_weights=torch.relu(values), mode="sum") + self.b_dec
        return functional.mse_loss(reconstruction, batch)

    def step(self):
        self.optimizer.zero_grad()
        loss = self.loss(next(self.batches))
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            self.W_dec /= self.W_dec.norm(dim=1, keepdim=True)
        return loss.item()

    def save(self, folder):
        write(folder, "topk", self.k, self.encoder.T if self.gathers else self.encoder, self.b_enc, self.W_dec, self.b_dec)
        return None


def expert(request, rows, device):
    return Expert(request, rows, device, gathers=False)


def gathered(request, rows, device):
    return Expert(request, rows, device, gathers=True)


def compiled(request, rows, device):
    if not any(shutil.which(compiler) for compiler in (os.environ.get("CXX", "g++"), "g++", "clang++")):
        raise NotImplementedError("torch.compile finds no C++ compiler")
    model = Expert(request, rows, device, gathers=False, compiles=True)
    model.version += ", torch.compile"
    return model


class SaeLens:
    """SAELens's own trainer, one step at a time."""

    def __init__(self, request, rows, device):
        import sae_lens
        from sae_lens.config import SAETrainerConfig
        from sae_lens.registry import get_sae_training_class
        from sae_lens.training.sae_trainer import SAETrainer

        kind, aux_k = request["kind"], request.get("auxK", True)
        options = {
            "topk": lambda: {"k": request["k"], "aux_loss_coefficient": float(aux_k)},
            "batchtopk": lambda: {"k": request["k"], "aux_loss_coefficient": float(aux_k)},
            "relu": lambda: {"l1_coefficient": request["l1"] * request["dIn"]},
            "jumprelu": lambda: {"l0_coefficient": request["l0"] * request["dIn"]},
        }[kind]()
        training_class, config_class = get_sae_training_class("standard" if kind == "relu" else kind)
        torch.manual_seed(0)
        config = config_class(d_in=request["dIn"], d_sae=request["dSae"], dtype="float32", device=device, **options)
        self.model = training_class(config)
        batch_size = request["batchSize"]
        training = SAETrainerConfig(total_training_samples=10**9, train_batch_size_samples=batch_size, lr=request["learningRate"], lr_end=request["learningRate"],
                                    dead_feature_window=request.get("deadAfter", 1000), device=device)
        self.trainer = SAETrainer(training, self.model, rows)
        dead = request.get("dead", [])
        with torch.no_grad():
            self.model.b_enc[dead] = -50.0
        self.trainer.n_forward_passes_since_fired[dead] = 1e9
        self.version = f"SAELens {sae_lens.__version__}"

    def step(self):
        loss = self.trainer.step(next(self.trainer.data_provider)).loss
        self.trainer.n_training_steps += 1
        return loss.item()

    def save(self, folder):
        self.model.save_inference_model(folder)
        return int(self.trainer.dead_neurons.sum())


FORMS = {"dense": Dense, "expert": expert, "gathered": gathered, "compiled": compiled, "saelens": SaeLens}


def timed(function):
    """Milliseconds by the clock, and of the processor, all threads together."""
    used, started = time.process_time(), time.perf_counter()
    function()
    return (time.perf_counter() - started) * 1e3, (time.process_time() - used) * 1e3


def main():
    trainer = None
    for line in sys.stdin:
        request = json.loads(line)
        if "steps" in request:
            times = [timed(trainer.step) for _ in range(request["steps"])]
            answer = {"ms": [clock for clock, _ in times], "processor": [processor for _, processor in times]}
        elif "save" in request:
            answer = {"dead": trainer.save(request["save"])}
        else:
            torch.set_num_threads(request["threads"])
            device = request.get("device", "cpu")
            rows = Rows(request.get("rows"), request["dIn"], request["batchSize"], device)
            trainer = FORMS[request["library"]](request, rows, device)
            answer = {"version": trainer.version}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
