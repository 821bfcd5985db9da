"""An SAE in SAELens's form, activations and labels, and what NumPy says of them: `make_rows.py FOLDER d_in d_sae k rows`.

Latents 5 and 9 are planted: rows 100-119 and 200-204 hold ten times their encoder's direction.
"""

import json
import sys

import numpy as np

folder, d_in, d_sae, k, n = sys.argv[1], *map(int, sys.argv[2:6])
random = np.random.default_rng(7)


def write_safetensors(path, tensors):
    header, end = {}, 0
    for name, value in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [end, end + value.nbytes]}
        end += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for value in tensors.values():
            file.write(np.ascontiguousarray(value).tobytes())


w_dec = random.standard_normal((d_sae, d_in)).astype(np.float32)
w_dec /= np.linalg.norm(w_dec, axis=1, keepdims=True)
w_enc = np.ascontiguousarray(w_dec.T)
b_enc = np.zeros(d_sae, np.float32)
# Latents 20 to 39 never come among the k strongest.
b_enc[20:40] = -1000
b_dec = (0.1 * random.standard_normal(d_in)).astype(np.float32)
x = random.standard_normal((n, d_in)).astype(np.float32)
x[100:120] = 10 * w_dec[5] + b_dec
x[200:205] = 10 * w_dec[9] + b_dec
# Three attention sinks.
x[[50, 60, 70]] *= 60
labels = np.array(["plain", "other"])[random.integers(0, 2, n)].astype(object)
labels[100:120] = "planted, five"

write_safetensors(f"{folder}/sae_weights.safetensors", {"W_enc": w_enc, "b_enc": b_enc, "W_dec": w_dec, "b_dec": b_dec})
config = {"architecture": "topk", "k": k, "d_in": d_in, "d_sae": d_sae, "dtype": "float32", "device": "cpu",
          "apply_b_dec_to_input": True, "normalize_activations": "none", "reshape_activations": "none",
          "rescale_acts_by_decoder_norm": False,
          "metadata": {"model_name": "toy-lm", "hook_name": "blocks.3.hook_resid_post", "sae_lens_version": "6.54.12"}}
json.dump(config, open(f"{folder}/cfg.json", "w"))
np.save(f"{folder}/acts.npy", x)
with open(f"{folder}/labels.csv", "w") as file:
    file.write("row,label\n" + "".join(f'{i},"{label}"\n' for i, label in enumerate(labels)))

wanted = sorted({5, 9, 25, *random.integers(0, d_sae, int(sys.argv[6]) if len(sys.argv) > 6 else 12).tolist()})
# All features of a large autoencoder on many rows would be gigabytes: what is kept are the wanted columns, counts and errors.
columns = np.zeros((n, len(wanted)), np.float32)
counts = np.zeros(d_sae, np.int64)
error = np.zeros(n)
sums, squares = np.zeros(d_sae), np.zeros(d_sae)
products, both = np.zeros((len(wanted), d_sae)), np.zeros((len(wanted), d_sae), np.int64)
for start in range(0, n, 512):
    block = x[start : start + 512]
    pre = (block - b_dec) @ w_enc + b_enc
    chosen = np.argpartition(-pre, k - 1, axis=1)[:, :k]
    rows = np.arange(len(block))[:, None]
    values = np.maximum(pre[rows, chosen], 0)
    features = np.zeros(pre.shape, np.float32)
    features[rows, chosen] = values
    columns[start : start + 512] = features[:, wanted]
    counts += (features != 0).sum(0)
    sums += features.sum(0, dtype=np.float64)
    squares += (features.astype(np.float64) ** 2).sum(0)
    products += features[:, wanted].T @ features
    both += ((features[:, wanted] != 0).astype(np.float32).T @ (features != 0).astype(np.float32)).astype(np.int64)
    rebuilt = np.einsum("nk,nkd->nd", values, w_dec[chosen]) + b_dec
    error[start : start + 512] = ((block.astype(np.float64) - rebuilt) ** 2).sum(1)
norms = np.linalg.norm(x.astype(np.float64), axis=1)


def explained(keep):
    rows = x[keep].astype(np.float64)
    return 1 - error[keep].sum() / ((rows - rows.mean(0)) ** 2).sum()


sinks = norms > 10 * np.median(norms)
latents = []
for place, i in enumerate(wanted):
    column = columns[:, place]
    order = np.lexsort((np.arange(n), -column))[:20]
    cosines = w_dec @ w_dec[i]
    cosines[i] = -2
    # Pearson's correlation with every latent that ever fires on the same row.
    spread = np.sqrt(np.maximum(squares - sums**2 / n, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = (products[place] - sums[i] * sums / n) / (spread[i] * spread)
    correlation[(both[place] == 0) | ~np.isfinite(correlation)] = -2
    correlation[i] = -2
    company = [j for j in np.argsort(-correlation, kind="stable")[:10] if correlation[j] > -2]
    bins = np.histogram(column[column > 0], 50, (0, max(float(column.max()), 1e-9)))[0]
    near = np.argsort(-cosines, kind="stable")[:10]
    latents.append({"latent": i, "count": int((column > 0).sum()),
                    "top": [[int(r), float(column[r])] for r in order if column[r] > 0],
                    "max": float(column.max()), "histogram": bins.tolist(),
                    "together": [[int(j), float(correlation[j]), int(both[place, j])] for j in company],
                    "nearest": [[int(j), float(cosines[j])] for j in near]})
json.dump({"l0": float(counts.sum() / n), "explained": explained(np.ones(n, bool)),
           "without_sinks": explained(~sinks), "sinks": int(sinks.sum()),
           "silent": int((counts == 0).sum()), "latents": latents}, open(f"{folder}/expected.json", "w"))
