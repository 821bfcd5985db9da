"""The checkpoints beside this file, each with inputs and the outputs that its own project gives for them.

    python make_checkpoints.py   (needs: sae-lens 6, transformer-lens<4, numpy)

NAME/io.json: {"x": [8, d_in], "features": [8, d_sae], "reconstruction": [8, d_out]}. The SAELens folders and their outputs are SAELens's own
(save_model, SAE.load_from_disk); gemma-scope and sparsify hold the tensors that those projects save and outputs by their formulas.
jumprelu-bfloat16 of ../../reference/saelens-hard gets io-float32.json: the same weights and inputs computed in float32.
"""
import json
import pathlib

import numpy as np
import torch
from safetensors.torch import save_file
from sae_lens import (SAE, BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig, GatedSAE, GatedSAEConfig, JumpReLUSkipTranscoder,
                      JumpReLUSkipTranscoderConfig, JumpReLUTranscoder, JumpReLUTranscoderConfig, SkipTranscoder, SkipTranscoderConfig,
                      StandardSAE, StandardSAEConfig, TopKSAE, TopKSAEConfig)

here = pathlib.Path(__file__).parent
g = torch.Generator().manual_seed(1)
D_IN, D_SAE, K = 8, 24, 3
dims = dict(d_in=D_IN, d_sae=D_SAE)


def randn(*shape, scale=1.0):
    return torch.randn(*shape, generator=g) * scale


def randomise(sae):
    with torch.no_grad():
        for name, p in sae.named_parameters():
            p.copy_(randn(*p.shape, scale=.05 if name.startswith("b_") or name == "r_mag" else .35).to(p))
            if name == "threshold":
                p.copy_((torch.rand(p.shape, generator=g) * .3 + .05).to(p))
    return sae


def write_io(folder, x, features, reconstruction, name="io.json"):
    io = {"x": x.tolist(), "features": features.tolist(), "reconstruction": reconstruction.tolist()}
    (here / folder / name).write_text(json.dumps(io) + "\n")


@torch.no_grad()
def answer(folder, x, expected_from=None, dtype=None, name="io.json"):
    loaded = SAE.load_from_disk(here / (expected_from or folder), dtype=dtype)
    x = x.to(loaded.dtype)
    write_io(folder, x, loaded.encode(x), loaded(x), name)


made = {
    "topk-layer-norm": TopKSAE(TopKSAEConfig(**dims, k=K, normalize_activations="layer_norm", rescale_acts_by_decoder_norm=True)),
    "standard-constant-norm": StandardSAE(StandardSAEConfig(**dims, normalize_activations="constant_norm_rescale")),
    "standard-expected-average": StandardSAE(StandardSAEConfig(**dims, normalize_activations="expected_average_only_in")),
    "gated-float16": GatedSAE(GatedSAEConfig(**dims, dtype="float16", apply_b_dec_to_input=False)),
    "skip-transcoder": SkipTranscoder(SkipTranscoderConfig(**dims, d_out=6, apply_b_dec_to_input=False)),
    "jumprelu-transcoder": JumpReLUTranscoder(JumpReLUTranscoderConfig(**dims, d_out=8, apply_b_dec_to_input=False)),
    "jumprelu-skip-transcoder": JumpReLUSkipTranscoder(JumpReLUSkipTranscoderConfig(**dims, d_out=6, apply_b_dec_to_input=False)),
}
for name, sae in made.items():
    randomise(sae).save_model(here / name)
    # float16 is answered in float32, so that only the weights are rounded.
    answer(name, randn(8, D_IN), dtype="float32")

# A training checkpoint that nobody saved for inference: SAELens answers for the one that was.
sae = randomise(BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig(**dims, k=K)))
sae.topk_threshold.fill_(.4)
sae.save_model(here / "batchtopk-checkpoint")
sae.save_inference_model("/tmp/batchtopk-inference")
answer("batchtopk-checkpoint", randn(8, D_IN), expected_from="/tmp/batchtopk-inference")

# A checkpoint from the middle of training with a scale that is not folded yet; SAELens folds it at the end.
sae = randomise(StandardSAE(StandardSAEConfig(**dims, normalize_activations="expected_average_only_in")))
sae.save_model(here / "standard-scaled")
(here / "standard-scaled" / "activation_scaler.json").write_text(json.dumps({"scaling_factor": 1.7, "has_whitening": False}))
sae.fold_activation_norm_scaling_factor(1.7)
sae.save_model("/tmp/standard-folded")
answer("standard-scaled", randn(8, D_IN), expected_from="/tmp/standard-folded")

# The flat config of before version 6, as SAELens 3 wrote it.
sae = randomise(TopKSAE(TopKSAEConfig(**dims, k=K)))
sae.save_model(here / "topk-version-3")
(here / "topk-version-3" / "cfg.json").write_text(json.dumps({
    "architecture": "standard", "d_in": D_IN, "d_sae": D_SAE, "dtype": "torch.float32", "device": "cuda", "model_name": "gpt2-small",
    "hook_name": "blocks.0.hook_mlp_out", "hook_layer": 0, "hook_head_index": None, "activation_fn_str": "topk",
    "activation_fn_kwargs": {"k": K}, "apply_b_dec_to_input": True, "finetuning_scaling_factor": False, "sae_lens_training_version": "3.9.1",
    "prepend_bos": True, "dataset_path": "Skylion007/openwebtext", "context_size": 64, "dataset_trust_remote_code": True,
    "normalize_activations": False}))
answer("topk-version-3", randn(8, D_IN))

# Gemma Scope: jumprelu, nothing subtracted from the input.
w = {"W_enc": randn(D_IN, D_SAE, scale=.35), "W_dec": randn(D_SAE, D_IN, scale=.35), "b_enc": randn(D_SAE, scale=.05),
     "b_dec": randn(D_IN, scale=.05), "threshold": torch.rand(D_SAE, generator=g) * .3 + .05}


def gemma(x, w):
    pre = x @ w["W_enc"] + w["b_enc"]
    f = (pre > w["threshold"]) * torch.relu(pre)
    return f, f @ w["W_dec"] + w["b_dec"]


(here / "gemma-scope").mkdir(exist_ok=True)
np.savez_compressed(here / "gemma-scope" / "params.npz", **{name: t.numpy() for name, t in w.items()})
x = randn(8, D_IN)
write_io("gemma-scope", x, *gemma(x, w))

(here / "gemma-scope-2").mkdir(exist_ok=True)
skip = randn(D_IN, D_IN, scale=.3)
save_file({"w_enc": w["W_enc"], "w_dec": w["W_dec"], "b_enc": w["b_enc"], "b_dec": w["b_dec"], "threshold": w["threshold"],
           "affine_skip_connection": skip}, here / "gemma-scope-2" / "params.safetensors")
f, r = gemma(x, w)
write_io("gemma-scope-2", x, f, r + x @ skip)

# sparsify: SparseCoder.save_to_disk, encode and decode.
for name, transcode in [("sparsify", False), ("sparsify-skip-transcoder", True)]:
    enc, bias, W_dec, b_dec = randn(D_SAE, D_IN, scale=.35), randn(D_SAE, scale=.05), randn(D_SAE, D_IN, scale=.35), randn(D_IN, scale=.05)
    tensors = {"encoder.weight": enc, "encoder.bias": bias, "W_dec": W_dec, "b_dec": b_dec}
    x = randn(8, D_IN)
    top, index = torch.relu((x if transcode else x - b_dec) @ enc.T + bias).topk(K, sorted=False)
    f = torch.zeros(8, D_SAE).scatter_(1, index, top)
    r = f @ W_dec + b_dec
    if transcode:
        tensors["W_skip"] = randn(D_IN, D_IN, scale=.3)
        r = r + x @ tensors["W_skip"].mT
    (here / name).mkdir(exist_ok=True)
    save_file(tensors, here / name / "sae.safetensors")
    (here / name / "cfg.json").write_text(json.dumps({
        "activation": "topk", "expansion_factor": 3, "normalize_decoder": True, "num_latents": 0 if transcode else D_SAE, "k": K,
        "multi_topk": False, "skip_connection": transcode, "transcode": transcode, "d_in": D_IN}))
    write_io(name, x, f, r)

hard = here.parents[1] / "reference" / "saelens-hard" / "jumprelu-bfloat16"
x = torch.tensor(json.loads((hard / "io.json").read_text())["x"])
answer(hard, x, dtype="float32", name="io-float32.json")
