"""Times encoding with a TopK sparse autoencoder in Python: ONNX Runtime on the encoder's graph, or PyTorch (eager, dense result).

Answers each line of standard input with one of standard output. {library, model, dIn, dSae, k, batch, threads} sets one up and gives
{"version": ...}; {calls} encodes that often and gives {"ms": one call's mean}.
"""

import json
import sys
import time

import numpy as np


class OnnxRuntime:
    def __init__(self, model, batch, dIn, threads, **_):
        import onnxruntime

        self.version = onnxruntime.__version__
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.activations = np.random.default_rng(0).standard_normal((batch, dIn), dtype=np.float32)

    def encode(self):
        self.session.run(["features"], {"activations": self.activations})


class PyTorch:
    def __init__(self, batch, dIn, dSae, k, threads, **_):
        import torch

        self.torch, self.version, self.k = torch, torch.__version__, k
        torch.set_num_threads(threads)
        self.W_enc = torch.randn(dIn, dSae) / dIn**0.5
        self.b_enc, self.b_dec = torch.zeros(dSae), torch.zeros(dIn)
        self.activations = torch.randn(batch, dIn)

    def encode(self):
        torch = self.torch
        with torch.inference_mode():
            scores = torch.addmm(self.b_enc, self.activations - self.b_dec, self.W_enc)
            values, indices = torch.topk(scores, self.k, dim=-1)
            torch.zeros_like(scores).scatter_(-1, indices, torch.relu(values))


libraries = {"onnxruntime": OnnxRuntime, "pytorch": PyTorch}
current = None
for line in sys.stdin:
    request = json.loads(line)
    if "library" in request:
        current = libraries[request.pop("library")](**request)
        answer = {"version": current.version}
    else:
        start = time.perf_counter()
        for _ in range(request["calls"]):
            current.encode()
        answer = {"ms": (time.perf_counter() - start) * 1000 / request["calls"]}
    print(json.dumps(answer), flush=True)
