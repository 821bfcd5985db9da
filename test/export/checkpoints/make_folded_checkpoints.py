"""Checkpoints whose scale or whitening is not folded yet, and OpenAI's and dictionary_learning's states, each with its own project's answers.

    python make_folded_checkpoints.py   (needs: sae-lens 6, numpy)

As make_checkpoints.py beside it: NAME/io.json holds x, features and reconstruction. SAELens saves a checkpoint as it trains, with its scaler
beside; then folds, and answers. OpenAI's and dictionary_learning's answers are by the formulas of their code.
"""
import json
import pathlib

import torch
from safetensors.torch import save_file
from sae_lens import (SAE, BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig, GatedTrainingSAE, GatedTrainingSAEConfig, MatryoshkaBatchTopKTrainingSAE,
                      MatryoshkaBatchTopKTrainingSAEConfig, StandardTrainingSAE, StandardTrainingSAEConfig, TopKTrainingSAE, TopKTrainingSAEConfig)
from sae_lens.training.activation_scaler import ActivationScaler

here = pathlib.Path(__file__).parent
g = torch.Generator().manual_seed(7)
D_IN, D_SAE, K = 8, 24, 3
dims = dict(d_in=D_IN, d_sae=D_SAE)


def randn(*shape, scale=1.0):
    return torch.randn(*shape, generator=g) * scale


def randomise(sae):
    with torch.no_grad():
        for name, p in sae.named_parameters():
            p.copy_(randn(*p.shape, scale=.05 if name.startswith("b_") or name == "r_mag" else .35).to(p))
    return sae


def write_io(folder, x, features, reconstruction):
    io = {"x": x.tolist(), "features": features.tolist(), "reconstruction": reconstruction.tolist()}
    (here / folder / "io.json").write_text(json.dumps(io) + "\n")


mean, mix = randn(D_IN), randn(D_IN, D_IN) + 2 * torch.eye(D_IN)
data = lambda n: mean + randn(n, D_IN) @ mix


def batches():
    while True:
        yield data(64)


@torch.no_grad()
def trained(name, sae):
    sae.cfg.metadata.l0, sae.cfg.metadata.num_dead_features = 2.5, 4
    scaler = ActivationScaler()
    if sae.cfg.normalize_activations == "covariance_whitening":
        scaler.estimate_whitening(D_IN, batches(), 20)
    else:
        scaler.estimate_scaling_factor(D_IN, batches(), 20)
    if hasattr(sae, "topk_threshold"):
        sae.topk_threshold.fill_(.4)
    sae.save_model(here / name)
    scaler.save(str(here / name / "activation_scaler.json"))
    if scaler.whitening is not None:
        w = scaler.whitening
        sae.fold_activation_whitening(w.mean, w.matrix, w.inverse_matrix)
    else:
        sae.fold_activation_norm_scaling_factor(scaler.scaling_factor)
    sae.save_inference_model(f"/tmp/{name}-folded")
    folded = SAE.load_from_disk(f"/tmp/{name}-folded")
    x = data(8)
    write_io(name, x, folded.encode(x), folded(x))


white = dict(normalize_activations="covariance_whitening")
scaled = dict(normalize_activations="expected_average_only_in")
trained("whitened-standard", randomise(StandardTrainingSAE(StandardTrainingSAEConfig(**dims, **white))))
trained("whitened-gated-no-b-dec-input", randomise(GatedTrainingSAE(GatedTrainingSAEConfig(**dims, **white, apply_b_dec_to_input=False))))
trained("whitened-topk-rescaled", randomise(TopKTrainingSAE(TopKTrainingSAEConfig(**dims, **white, k=K, apply_b_dec_to_input=False))))
trained("whitened-batchtopk", randomise(BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig(**dims, **white, k=K))))
trained("scaled-batchtopk", randomise(BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig(**dims, **scaled, k=K))))
trained("scaled-batchtopk-not-rescaled", randomise(BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig(**dims, **scaled, k=K, rescale_acts_by_decoder_norm=False))))
trained("scaled-matryoshka", randomise(MatryoshkaBatchTopKTrainingSAE(MatryoshkaBatchTopKTrainingSAEConfig(**dims, **scaled, k=K, matryoshka_widths=[8, 24]))))


def layer_norm(x):
    mu = x.mean(-1, keepdim=True)
    std = (x - mu).std(-1, keepdim=True)
    return (x - mu) / (std + 1e-5), mu, std


def top(x, k):
    value, index = x.topk(k, dim=-1)
    return torch.zeros_like(x).scatter_(-1, index, value.relu())


# OpenAI: Autoencoder.encode and decode, ReLU without and TopK with LN; the second is tied.
for name, k, tied in [("openai-relu", None, False), ("openai-topk-tied", K, True)]:
    state = {"encoder.weight": randn(D_SAE, D_IN, scale=.35), "latent_bias": randn(D_SAE, scale=.05), "pre_bias": randn(D_IN, scale=.05),
             "stats_last_nonzero": torch.arange(D_SAE)}
    if not tied:
        state["decoder.weight"] = randn(D_IN, D_SAE, scale=.35)
    (here / name).mkdir(exist_ok=True)
    save_file(state, here / name / "autoencoder.safetensors", metadata={"activation": "ReLU"} if k is None else {"activation": "TopK", "activation_state_dict": json.dumps({"k": k, "postact_fn": "ReLU"})})
    x = data(8)
    z, mu, std = layer_norm(x) if k else (x, 0, 1)
    pre = (z - state["pre_bias"]) @ state["encoder.weight"].T + state["latent_bias"]
    f = pre.relu() if k is None else top(pre, k)
    decoder = state["encoder.weight"] if tied else state["decoder.weight"].T
    write_io(name, x, f, (f @ decoder + state["pre_bias"]) * std + mu)

# dictionary_learning: the classes' encode and decode.
for name, kind in [("dictionary-auto-encoder", "AutoEncoder"), ("dictionary-topk", "AutoEncoderTopK"), ("dictionary-batchtopk", "BatchTopKSAE"), ("dictionary-gated", "GatedAutoEncoder")]:
    enc, dec, bias = randn(D_SAE, D_IN, scale=.35), randn(D_IN, D_SAE, scale=.35), randn(D_IN, scale=.05)
    state = {"encoder.weight": enc, "decoder.weight": dec}
    x = data(8)
    z = (x - bias) @ enc.T
    if kind == "GatedAutoEncoder":
        gate, mag, r = randn(D_SAE, scale=.05), randn(D_SAE, scale=.05), randn(D_SAE, scale=.05)
        state |= {"decoder_bias": bias, "gate_bias": gate, "mag_bias": mag, "r_mag": r}
        f = (z + gate > 0) * (z * r.exp() + mag).relu()
    else:
        b = randn(D_SAE, scale=.05)
        state |= {"encoder.bias": b, "bias" if kind == "AutoEncoder" else "b_dec": bias}
        f = (z + b).relu()
    if kind == "AutoEncoderTopK":
        state |= {"k": torch.tensor(K), "threshold": torch.tensor(-1.)}
        f = top(f, K)
    if kind == "BatchTopKSAE":
        state |= {"k": torch.tensor(K), "threshold": torch.tensor(.6)}
        f = f * (f > .6)
    (here / name).mkdir(exist_ok=True)
    save_file(state, here / name / "ae.safetensors")
    (here / name / "config.json").write_text(json.dumps({"trainer": {"dict_class": kind, "trainer_class": "Trainer", "lm_name": "EleutherAI/pythia-70m-deduped", "layer": 3, "k": K}, "buffer": {"d_submodule": D_IN}}))
    write_io(name, x, f, f @ dec.T + bias)
