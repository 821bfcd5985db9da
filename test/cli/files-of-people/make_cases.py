"""Files as people really have them, each with what must come out; run by ../files-of-people.test.ts.

    python make_cases.py OUT_DIR [--seed 0]        (needs: numpy, onnx, safetensors)

Every case is a folder with case.json: {"run": arguments of the command line (paths relative to the folder, OUT = a new file), "expect": "features",
"error" (status 1, one line, nothing written) or "refused-or-finite", "message": words of that line, "before": a command that is run first,
"features"/"reconstruction": numbers of OUT, or of the model OUT.onnx on acts.npy, computed here with numpy in float64,
"fires": which features are above 0}.
"""
import argparse
import json
import pathlib
import struct
import zipfile

import numpy as np
import onnx
from onnx import TensorProto as T, helper as h, numpy_helper as nh
from safetensors.numpy import save_file

parser = argparse.ArgumentParser()
parser.add_argument("out", type=pathlib.Path)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
R = np.random.default_rng(args.seed)
D, N, ROWS = 8 + args.seed % 5, 24 + args.seed % 7, 20
OUT = args.out


def f32(*shape):
    return R.standard_normal(shape).astype(np.float32)


W = {"W_enc": f32(D, N) * .6, "b_enc": f32(N) * .2, "W_dec": f32(N, D), "b_dec": f32(D) * .3}
X = f32(ROWS, D) * 3
F = {name: value.astype(np.float64) for name, value in W.items()}


def encode(x):
    return np.maximum((x - F["b_dec"]) @ F["W_enc"] + F["b_enc"], 0)


def decode(f):
    return f @ F["W_dec"] + F["b_dec"]


def case(name, run, expect, message=None, before=None, **numbers):
    folder = OUT / name
    folder.mkdir(parents=True)
    description = {"run": run, "expect": expect, "message": message, "before": before}
    description |= {key: (np.asarray(value) * 1).tolist() for key, value in numbers.items()}
    (folder / "case.json").write_text(json.dumps(description))
    np.save(folder / "acts.npy", X)
    return folder


CONVERT = ["convert", ".", "OUT.onnx"]


def config(**more):
    return {"architecture": "standard", "d_in": D, "d_sae": N, "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": True,
            "normalize_activations": "none", "metadata": {"sae_lens_version": "6.54.0"}, **more}


def folder_of(p, cfg, weights, name="sae_weights.safetensors"):
    p.mkdir(exist_ok=True)
    (p / "cfg.json").write_text(cfg if isinstance(cfg, str) else json.dumps(cfg))
    save_file(weights, str(p / name))


def converted(name, cfg, weights=W, features=None, reconstruction=None):
    p = case(name, CONVERT, "features", features=encode(X) if features is None else features, reconstruction=decode(encode(X)) if reconstruction is None else reconstruction)
    folder_of(p, cfg, weights)
    return p


# --- SAELens: scales that are not folded
scale, theta = .25, .6
norm = np.linalg.norm(F["W_dec"], axis=1)
for rescale in (True, False):
    for architecture in ("batchtopk", "matryoshka_batchtopk"):
        n = norm if rescale else 1
        act = encode(scale * X) * n
        act = np.where(act > theta, act, 0)
        p = case(f"saelens-{architecture}-{'rescaled' if rescale else 'plain'}-unfolded-scale", CONVERT, "features", reconstruction=decode(act / n) / scale, fires=act > 0)
        more = {"matryoshka_widths": [8, N]} if architecture.startswith("m") else {}
        folder_of(p, config(architecture=architecture, k=4, rescale_acts_by_decoder_norm=rescale, normalize_activations="expected_average_only_in", metadata={"sae_lens_version": "6.18.0"}, **more), {**W, "topk_threshold": np.array(theta)})
        (p / "activation_scaler.json").write_text(json.dumps({"scaling_factor": scale}))
for name, normalize, applied in (("in-store-state", "expected_average_only_in", True), ("in-store-state-true", True, True), ("in-store-state-not-asked-for", "none", False)):
    s = scale if applied else 1
    old = config(normalize_activations=normalize, sae_lens_version="5.2.0")
    del old["metadata"]
    p = converted(f"saelens-5-scale-{name}", old, features=encode(s * X), reconstruction=decode(encode(s * X)) / s)
    save_file({"n_dataset_processed": np.array(1), "estimated_norm_scaling_factor": np.array(scale, np.float32)}, str(p / "activations_store_state.safetensors"))
mean, matrix = f32(D).astype(np.float64), R.standard_normal((D, D)) + 2 * np.eye(D)
inverse = np.linalg.inv(matrix)
z = (X - mean) @ matrix
p = converted("saelens-whitening-unfolded", config(normalize_activations="covariance_whitening"), features=encode(z), reconstruction=decode(encode(z)) @ inverse + mean)
(p / "activation_scaler.json").write_text(json.dumps({"scaling_factor": None, "has_whitening": True}))
save_file({"mean": mean, "matrix": matrix, "inverse_matrix": inverse}, str(p / "activation_whitening.safetensors"))
for architecture in ("abstopk", "matching_pursuit", "temporal"):
    folder_of(case(f"saelens-{architecture}", CONVERT, "error", architecture), config(architecture=architecture, k=4), W)

# --- configs as Python writes them, and damaged ones
converted("saelens-config-with-infinity", json.dumps(config()).replace('"device": "cpu"', '"device": "cpu", "lr_end": Infinity, "seen": NaN, "lowest": -Infinity'))
converted("saelens-config-with-nan-in-metadata", json.dumps(config(metadata={"sae_lens_version": "6.54.0", "note": "NaN, Infinity", "score": 1})).replace('"score": 1', '"score": NaN'))
p = converted("saelens-config-with-bom", config())
(p / "cfg.json").write_bytes(b"\xef\xbb\xbf" + (p / "cfg.json").read_bytes())
p = converted("saelens-config-utf16", config())
(p / "cfg.json").write_bytes((p / "cfg.json").read_text().encode("utf-16"))
folder_of(case("config-nested-deeply", CONVERT, "error"), '{"d_in":' + "[" * 30000 + "]" * 30000 + "}", W)
folder_of(case("config-objects-nested-deeply", CONVERT, "error"), json.dumps(config())[:-1] + ',"x":' + '{"a":' * 30000 + "1" + "}" * 30001, W)
folder_of(case("config-cut-short", CONVERT, "error", "cfg.json"), json.dumps(config())[:-20], W)
p = case("safetensors-header-nested-deeply", CONVERT, "error")
folder_of(p, config(), W)
header = ('{"W_enc":{"dtype":' + "[" * 30000 + "]" * 30000 + ',"shape":[1],"data_offsets":[0,4]}}').encode()
(p / "sae_weights.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))

# --- shards
parts = [("W_enc",), ("b_enc", "b_dec"), ("W_dec",)]
for stem in ("sae_weights", "model"):
    for index in (True, False):
        for missing in (None, 2):
            file = lambda i: f"{stem}-{i + 1:05}-of-{len(parts):05}.safetensors"
            name = f"shards-{stem}{'' if index else '-without-index'}{'' if missing is None else '-one-missing'}"
            if missing is None:
                p = case(name, CONVERT, "features", features=encode(X), reconstruction=decode(encode(X)))
            else:
                p = case(name, CONVERT, "error", file(missing))
            (p / "cfg.json").write_text(json.dumps(config()))
            for i, names in enumerate(parts):
                if i != missing:
                    save_file({key: W[key] for key in names}, str(p / file(i)))
            if index:
                weight_map = {key: file(i) for i, names in enumerate(parts) for key in names}
                (p / f"{stem}.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))

# --- what a hub has
pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123456\n"
for file in ("sae_weights.safetensors", "cfg.json"):
    p = case(f"lfs-pointer-for-{file}", CONVERT, "error", "lfs")
    folder_of(p, config(), W)
    (p / file).write_bytes(pointer)
(case("lfs-pointer-for-params.npz", CONVERT, "error", "lfs") / "params.npz").write_bytes(pointer)
(case("lfs-pointer-for-onnx", ["encode", "sae.onnx", "--input", "acts.npy", "--output", "OUT.npy"], "error", "lfs") / "sae.onnx").write_bytes(pointer)
p = case("hub-folder-of-layers", CONVERT, "error", "layers.3")
for layer in (3, 7):
    folder_of(p / f"layers.{layer}", {"d_in": D, "num_latents": N, "k": 4}, {"encoder.weight": W["W_enc"].T.copy(), "encoder.bias": W["b_enc"], "W_dec": W["W_dec"], "b_dec": W["b_dec"]}, "sae.safetensors")
p = case("hub-folder-of-widths", CONVERT, "error", "layer_3/width_16k/average_l0_10")
(p / "layer_3/width_16k/average_l0_10").mkdir(parents=True)
np.savez(p / "layer_3/width_16k/average_l0_10/params.npz", **W, threshold=W["b_enc"])
for name in ("ae.pt", "model.pth", "pytorch_model.bin"):
    p = case(f"pickle-{name}", CONVERT, "error", "safetensors")
    with zipfile.ZipFile(p / name, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("archive/data/0", bytes(64))
    (p / "config.json").write_text("{}")
(case("pickle-of-old", CONVERT, "error", "pickle") / "sae.pkl").write_bytes(b"\x80\x04\x95\x05\x00\x00\x00}\x94.")
for transcoder in (False, True):
    theta_j = np.abs(f32(N)) * .2
    skip = f32(D, D) * .3
    pre = X @ F["W_enc"] + F["b_enc"]
    f = np.where(pre > theta_j, np.maximum(pre, 0), 0)
    r = decode(f) + (X @ skip.astype(np.float64) if transcoder else 0)
    tensors = {**W, "threshold": theta_j, **({"affine_skip_connection": skip} if transcoder else {})}
    p = case(f"gemma-scope{'-affine' if transcoder else ''}-npz", CONVERT, "features", features=f, reconstruction=r)
    np.savez_compressed(p / "params.npz", **tensors)
    p = case(f"gemma-scope-2{'-affine' if transcoder else ''}", CONVERT, "features", features=f, reconstruction=r)
    save_file({key.replace("W_", "w_"): value for key, value in tensors.items()}, str(p / "params.safetensors"))
    (p / "config.json").write_text(json.dumps({"architecture": "jump_relu", "model_name": "google/gemma-3-270m", "hf_hook_point_in": "model.layers.3.output", "width": N, "l0": 10, "affine_connection": transcoder}))
p = case("gemma-scope-2-cross-layer", CONVERT, "error", "cross-layer")
save_file({"w_enc": W["W_enc"], "b_enc": W["b_enc"], "threshold": W["b_enc"], "w_dec": f32(N, 3, D), "b_dec": f32(3, D)}, str(p / "params.safetensors"))
centre, deviation = X.astype(np.float64).mean(1, keepdims=True), X.astype(np.float64).std(1, ddof=1, keepdims=True)
for k in (None, 4):
    f, r = encode(X), decode(encode(X))
    if k is not None:
        f = encode((X - centre) / (deviation + 1e-5))
        f = np.where(f >= np.sort(f, 1)[:, -k][:, None], f, 0)
        r = decode(f) * deviation + centre
    p = case(f"openai-{'relu' if k is None else 'topk'}", CONVERT, "features", features=f, reconstruction=r)
    save_file({"encoder.weight": W["W_enc"].T.copy(), "decoder.weight": W["W_dec"].T.copy(), "latent_bias": W["b_enc"], "pre_bias": W["b_dec"], "stats_last_nonzero": np.zeros(N, np.int64)}, str(p / "autoencoder.safetensors"))
    (p / "config.json").write_text(json.dumps({"activation": "ReLU"} if k is None else {"activation": "TopK", "k": k}))

# --- ONNX
ENCODE = ["encode", "sae.onnx", "--input", "acts.npy", "--output", "OUT.npy"]


def sae_onnx(p, name="sae.onnx", weights=W, lead=("batch",), edit=None, external=False):
    info = lambda name, width: h.make_tensor_value_info(name, T.FLOAT, [*lead, width])
    nodes = [h.make_node("Sub", ["activations", "b_dec"], ["centred"]), h.make_node("MatMul", ["centred", "W_enc"], ["product"]),
             h.make_node("Add", ["product", "b_enc"], ["pre"]), h.make_node("Relu", ["pre"], ["features"]),
             h.make_node("MatMul", ["features", "W_dec"], ["decoded"]), h.make_node("Add", ["decoded", "b_dec"], ["reconstruction"])]
    graph = h.make_graph(nodes, "sae", [info("activations", D)], [info("reconstruction", D), info("features", N)], [nh.from_array(value, key) for key, value in weights.items()])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    if edit:
        edit(model)
    onnx.save(model, str(p / name), save_as_external_data=external, location=f"{name}.data", size_threshold=0)


for lead in (("batch", "seq"), (1, "seq"), ("batch", "heads", "seq"), ("batch", 1)):
    sae_onnx(case(f"onnx-{'-'.join(map(str, lead))}", ENCODE, "features", features=encode(X)), lead=lead)
sae_onnx(case("onnx-sequence-sparse", [*ENCODE[:-1], "OUT.npz", "--sparse"], "features", features=encode(X)), lead=("batch", "seq"))
for weight in W:
    bad = {key: value.copy() for key, value in W.items()}
    bad[weight].flat[R.integers(bad[weight].size)] = np.nan
    sae_onnx(case(f"onnx-nan-in-{weight}", ENCODE, "error", "nan"), weights=bad)
    if weight in ("W_enc", "b_enc"):
        sae_onnx(case(f"onnx-nan-outside-in-{weight}", ENCODE, "error", "nan"), weights=bad, external=True)
infinite = {key: value.copy() for key, value in W.items()}
infinite["W_enc"][1, 2] = np.inf
sae_onnx(case("onnx-infinite-weight", ENCODE, "error"), weights=infinite)


def constant_nan(model):
    tensor = h.make_tensor("value", T.FLOAT, [1], [float("nan")])
    model.graph.node.insert(0, h.make_node("Constant", [], ["extra"], value=tensor))
    model.graph.node.insert(1, h.make_node("Add", ["activations", "extra"], ["shifted"]))
    model.graph.node[2].input[0] = "shifted"


sae_onnx(case("onnx-nan-in-a-constant", ENCODE, "error", "nan"), edit=constant_nan)


def nan_in_floats(model):
    tensor = h.make_tensor("b_enc", T.FLOAT, [N], [float("nan"), *([0.] * (N - 1))])
    for i, initializer in enumerate(model.graph.initializer):
        if initializer.name == "b_enc":
            model.graph.initializer[i].CopyFrom(tensor)


sae_onnx(case("onnx-nan-in-float-data", ENCODE, "error", "nan"), edit=nan_in_floats)


def newer(model):
    model.ir_version = 99


sae_onnx(case("onnx-of-the-future", ENCODE, "error", "version"), edit=newer)


def deep_metadata(model):
    for key, value in (("monosemantic.schema", "1"), ("monosemantic.kind", "sparse-autoencoder"), ("monosemantic.config", '{"a":' * 30000 + "1" + "}" * 30000)):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value


for command in (["inspect", "sae.onnx"], ENCODE, ["convert", "sae.onnx", "OUT.onnx"]):
    sae_onnx(case(f"onnx-metadata-nested-deeply-{command[0]}", command, "error"), edit=deep_metadata)


def half(model):
    for i, initializer in enumerate(model.graph.initializer):
        model.graph.initializer[i].CopyFrom(nh.from_array(nh.to_array(initializer).astype(np.float16), initializer.name))
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.elem_type = T.FLOAT16


p = case("onnx-float16-overflow", ENCODE, "error", "65504")
sae_onnx(p, edit=half)
np.save(p / "acts.npy", X * 1e5)
for normalize, expect in (("constant_norm_rescale", "refused-or-finite"), ("layer_norm", "refused-or-finite")):
    for row in (0, ROWS - 1):
        zero = X.copy()
        zero[row] = 0
        p = case(f"zero-row-{row}-under-{normalize}", ["encode", "OUT.onnx", "--input", "zero.npy", "--output", "OUT.npy"], expect, before=CONVERT)
        folder_of(p, config(normalize_activations=normalize), W)
        np.save(p / "zero.npy", zero)


# --- activations
def samples(name, file, content, expect, message=None, more=(), x=X, **numbers):
    p = case(name, ["encode", "sae.onnx", "--input", file, "--output", "OUT.npy", *more], expect, message, **({"features": encode(x)} if expect == "features" else {}), **numbers)
    sae_onnx(p)
    (p / file).write_bytes(content) if isinstance(content, bytes) else content(p / file)


def lines(x, separator=",", end="\n", point="."):
    return "".join(separator.join(repr(float(v)).replace(".", point) for v in row) + end for row in x)


plain = lines(X)
for first in ("nan", "inf", "", "-inf", "NaN", "+Inf", "Infinity"):
    for column in (0, 2):
        cells = plain.split("\n")[0].split(",")
        cells[column] = first
        samples(f"csv-first-row-with-{first or 'nothing'}-at-{column}", "a.csv", (",".join(cells) + "\n" + plain).encode(), "error", "line 1")
samples("csv-first-row-of-words-and-a-number", "a.csv", (",".join(["a", "1.5", *(["b"] * (D - 2))]) + "\n" + plain).encode(), "error", "line 1")
samples("csv-header-with-an-empty-cell", "a.csv", ("," + ",".join(f"h{i}" for i in range(D - 1)) + "\n" + plain).encode(), "error", "line 1")
samples("csv-nan-further-down", "a.csv", (plain + ",".join(["1"] * (D - 1)) + ",nan\n").encode(), "error", f"line {ROWS + 1}")
samples("csv-row-too-short", "a.csv", (plain + "1,2\n").encode(), "error", f"line {ROWS + 1}")
for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig", "latin-1"):
    samples(f"csv-{encoding}", "a.csv", plain.encode(encoding), "features")
    samples(f"csv-{encoding}-with-header", "a.csv", (",".join(f"h{i}" for i in range(D)) + "\n" + plain).encode(encoding), "features")
samples("csv-utf16-be-with-bom", "a.csv", b"\xfe\xff" + plain.encode("utf-16-be"), "features")
for name, separator in (("semicolons", ";"), ("tabs", "\t"), ("space", " "), ("spaces", "   "), ("bars", "|"), ("comma-and-space", ", "), ("semicolon-and-space", "; ")):
    samples(f"csv-{name}", "a.txt", lines(X, separator).encode(), "features")
    samples(f"csv-{name}-with-header", "a.csv", (separator.join(f"h{i}" for i in range(D)) + "\n" + lines(X, separator)).encode(), "features")
samples("csv-semicolons-and-decimal-commas", "a.csv", lines(X, ";", point=",").encode(), "features")
samples("csv-tabs-and-decimal-commas", "a.tsv", lines(X, "\t", point=",").encode(), "features")
for name, end in (("crlf", "\r\n"), ("cr", "\r"), ("blank-lines", "\n\n")):
    samples(f"csv-{name}", "a.csv", lines(X, end=end).encode(), "features")
samples("csv-without-a-last-newline", "a.csv", plain.rstrip("\n").encode(), "features")
samples("csv-crlf-and-bom", "a.csv", b"\xef\xbb\xbf" + lines(X, end="\r\n").encode(), "features")
samples("csv-quoted", "a.csv", ("\n".join(",".join(f'"{c}"' for c in line.split(",")) for line in plain.strip().split("\n"))).encode(), "features")
samples("csv-quoted-header-with-commas", "a.csv", (",".join(f'"h, {i}"' for i in range(D)) + "\n" + plain).encode(), "features")
samples("csv-of-numpy-savetxt", "a.txt", lambda q: np.savetxt(q, X, header="made by numpy"), "features")
samples("csv-exponents", "a.csv", "\n".join(",".join(f"{v:+.8E}" for v in row) for row in X).encode(), "features")
samples("csv-beyond-float32", "a.csv", (plain + ",".join(["1e39"] * D) + "\n").encode(), "error", f"line {ROWS + 1}")
rows = json.dumps(X.tolist())
samples("json-rows", "a.json", rows.encode(), "features")
samples("json-utf16", "a.json", rows.encode("utf-16"), "features")
samples("json-bom", "a.json", b"\xef\xbb\xbf" + rows.encode(), "features")
samples("json-lines", "a.jsonl", "\n".join(json.dumps(row) for row in X.tolist()).encode(), "features")
samples("json-shape-and-data", "a.json", json.dumps({"data": X.ravel().tolist(), "shape": list(X.shape)}, indent=1).encode(), "features")
samples("json-of-two-ranks", "a.json", json.dumps(X.reshape(2, ROWS // 2, D).tolist()).encode(), "features")
samples("json-nan", "a.json", rows.replace("[[", "[[NaN,", 1).encode(), "error")
samples("json-nested-deeply", "a.json", b"[" * 30000, "error")
for separator, name in (("", "missing-comma"), (",,", "two-commas")):
    samples(f"json-{name}", "a.json", f"[[1{separator} 2]]".encode(), "error", "json")
for code in ("i1", "u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", ">u4", "<i8", ">i8", "<u8", ">u8", "<f2", ">f2", ">f4", "<f8", ">f8", "?"):
    dtype = np.dtype(code)
    values = (np.abs(X) if dtype.kind == "u" else X) * (1 if dtype.kind in "fb" else 10)
    values = np.round(values).astype(dtype) if dtype.kind in "iu" else values.astype(dtype)
    for order in "CF":
        samples(f"npy-{dtype.kind}{dtype.itemsize}{'-big-endian' if code[0] == '>' else ''}-{order}", "a.npy", lambda q, v=np.array(values, order=order): np.save(q, v), "features", x=values.astype(np.float64))
samples("npy-three-dimensions-fortran", "a.npy", lambda q: np.save(q, np.asfortranarray(X.reshape(2, ROWS // 2, D))), "features")
samples("npy-one-dimension", "a.npy", lambda q: np.save(q, X[0]), "features", x=X[:1])
samples("npy-no-rows", "a.npy", lambda q: np.save(q, X[:0]), "features", x=X[:0])
samples("npy-of-objects", "a.npy", lambda q: np.save(q, np.array([{"a": 1}], dtype=object), allow_pickle=True), "error", "pickle")
samples("npy-complex", "a.npy", lambda q: np.save(q, X.astype(np.complex64)), "error", "complex")
samples("npy-of-text", "a.npy", lambda q: np.save(q, X.astype("U8")), "error", "text")


def cut(q):
    np.save(q, X)
    q.write_bytes(q.read_bytes()[:-5])


samples("npy-cut-short", "a.npy", cut, "error", "a.npy")
samples("npy-empty-file", "a.npy", b"", "error", "empty")
samples("npz-one-array", "a.npz", lambda q: np.savez(q, acts=X), "features")
samples("npz-fortran", "a.npz", lambda q: np.savez(q, acts=np.asfortranarray(X.astype(">f8"))), "features")
samples("npz-int16", "a.npz", lambda q: np.savez_compressed(q, acts=np.round(X * 10).astype(np.int16)), "features", x=np.round(X * 10))
samples("npz-compressed-two-arrays", "a.npz", lambda q: np.savez_compressed(q, tokens=np.arange(ROWS), acts=X), "features", more=("--tensor", "acts"))
samples("npz-beside-objects", "a.npz", lambda q: np.savez(q, names=np.array(["a", {}], dtype=object), acts=X), "features", more=("--tensor", "acts"))
samples("npz-two-arrays-none-named", "a.npz", lambda q: np.savez(q, tokens=np.arange(ROWS), acts=X), "error", "acts")
samples("npz-empty", "a.npz", lambda q: zipfile.ZipFile(q, "w").close(), "error")
samples("npz-named-otherwise", "a.bin", lambda q: np.savez(q.open("wb"), acts=X), "features")
for compress in (False, True):
    def broken(q):
        (np.savez_compressed if compress else np.savez)(q, acts=X)
        data = bytearray(q.read_bytes())
        if compress:
            data[len(data) // 2] ^= 0x10
        else:
            data[data.find(X.tobytes()[40:60]) + 3] ^= 0x10
        q.write_bytes(bytes(data))
    samples(f"npz-one-byte-wrong{'-compressed' if compress else ''}", "a.npz", broken, "error", None if compress else "crc")


def npz_cut(q):
    np.savez(q, acts=X)
    q.write_bytes(q.read_bytes()[:-30])


samples("npz-cut-short", "a.npz", npz_cut, "error", "a.npz")


def bomb(q):
    with zipfile.ZipFile(q, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("acts.npy", "w", force_zip64=True) as entry:
        entry.write(b"\x93NUMPY\x01\x00\x76\x00" + f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2 ** 27 // D}, {D}), }}".encode().ljust(117) + b"\n")
        for _ in range(512):
            entry.write(bytes(2 ** 20))


samples("npz-bomb", "a.npz", bomb, "error", "unpack")
for dtype in ("float16", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"):
    kind = np.dtype(dtype).kind
    values = ((np.abs(X) if kind == "u" else X) * (1 if kind == "f" else 10)).astype(dtype)
    samples(f"safetensors-{dtype}", "a.safetensors", lambda q, v=values: save_file({"acts": v}, str(q)), "features", x=values.astype(np.float64))
samples("safetensors-with-others-beside", "a.safetensors", lambda q: save_file({"activations": X, "tokens": np.arange(ROWS, dtype=np.uint16), "mask": np.ones(ROWS, dtype=np.int8), "ids": np.arange(ROWS, dtype=np.uint64), "z": np.ones(2, np.complex64)}, str(q)), "features", more=("--tensor", "activations"))
with_pickle = lambda q: zipfile.ZipFile(q, "w").writestr("archive/data.pkl", b"\x80\x02}q\x00.")
samples("torch-pickle-as-activations", "a.pt", with_pickle, "error", "pickle")
samples("pickle-as-activations", "a.pkl", b"\x80\x05\x95\x05\x00\x00\x00}\x94.", "error", "pickle")
for file in ("a.npy", "a.csv", "a.safetensors", "a.npz", "a.json"):
    samples(f"lfs-pointer-as-{file[2:]}", file, pointer, "error", "lfs")
for name, start, word in (("parquet", b"PAR1" + bytes(60), "parquet"), ("hdf5", b"\x89HDF\r\n\x1a\n" + bytes(60), "hdf5"), ("gzip", b"\x1f\x8b\x08\x00" + bytes(60), "gzip"), ("html", b"<!DOCTYPE html><html></html>", "html"), ("binary", bytes(range(256)), "a.dat")):
    samples(f"{name}-as-activations", "a.dat", start, "error", word)
samples("samples-too-wide", "a.npy", lambda q: np.save(q, np.hstack([X, X])), "error", str(D))
print(len(list(OUT.glob("*/case.json"))), "cases")
