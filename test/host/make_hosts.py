"""Small host models as optimisers, hubs and other tools write them, with what must come out of them by numpy alone.

    python make_hosts.py OUT_DIR        (needs: onnx, numpy; onnxruntime to see that the models run)

Each NAME.onnx has a NAME.json: `tensor`, `inputs` {name: {shape, data}}, `activations` (the tensor), `outputs` {name: values}, and `replaced`: the same
outputs when the tensor is replaced by `value`. Forward passes are numpy in float64 from the same weights; no ONNX graph takes part in them.
"""
import json, pathlib, sys
import numpy as np, onnx, onnxruntime as ort
from onnx import TensorProto as T, helper as h, numpy_helper as nh

OUT = pathlib.Path(sys.argv[1]); OUT.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(7)
V, D, H, S, B = 11, 16, 2, 6, 3
init = lambda x, name: nh.from_array(np.asarray(x), name)
node = lambda op, i, o, domain="", **a: h.make_node(op, i, o, name=o[0] if o[0] else op, domain=domain, **a)
vi = lambda name, t, shape: h.make_tensor_value_info(name, t, shape)
MS = "com.microsoft"


def write(name, graph_nodes, inputs, outputs, inits, feeds, tensor, forward, opset=17, ir=8, tolerance=1e-5, domains=(), value=None, skip_run=False):
    g = h.make_graph(graph_nodes, name, inputs, outputs, inits)
    m = h.make_model(g, opset_imports=[h.make_opsetid("", opset), *[h.make_opsetid(d, 1) for d in domains]], ir_version=ir)
    onnx.save(m, str(OUT / f"{name}.onnx"))
    kept = {}
    clean = forward(lambda x: kept.setdefault("x", np.array(x)))
    x = kept["x"]
    value = (x.mean(tuple(range(x.ndim - 1)), keepdims=True) + 0 * x) + .1 * rng.standard_normal(x.shape) if value is None else value
    value = value.astype(np.float32)
    replaced = forward(lambda x: value.astype(np.float64))
    got = dict(zip([o.name for o in outputs], ort.InferenceSession(str(OUT / f"{name}.onnx")).run(None, feeds)))
    worst = max(np.abs(got[k].astype(np.float64) - v).max() for k, v in clean.items()); moved = max(np.abs(clean[k] - replaced[k]).max() for k in clean)
    print(f"{name}: numpy against ONNX Runtime {worst:.2e}, replacing moves {moved:.2f}"); assert worst < 20 * tolerance and moved > 50 * tolerance
    pack = lambda v: {"shape": list(np.shape(v)), "data": [float(f"{q:.8g}") for q in np.asarray(v, np.float64).ravel()]}
    (OUT / f"{name}.json").write_text(json.dumps({"tensor": tensor, "tolerance": tolerance, "inputs": {k: pack(v) for k, v in feeds.items() if np.size(v)}, "activations": pack(x), "value": pack(value), "outputs": {k: pack(v) for k, v in clean.items()}, "replaced": {k: pack(v) for k, v in replaced.items()}}))


w = lambda *s: (rng.standard_normal(s) / np.sqrt(s[0])).astype(np.float32)
rms = lambda x, g: x / np.sqrt((x ** 2).mean(-1, keepdims=True) + 1e-5) * g
def ln(x, g, b): m = x.mean(-1, keepdims=True); return (x - m) / np.sqrt(((x - m) ** 2).mean(-1, keepdims=True) + 1e-5) * g + b
silu = lambda x: x / (1 + np.exp(-x))
def softmax(x): e = np.exp(x - x.max(-1, keepdims=True)); return e / e.sum(-1, keepdims=True)
def attention(q, k, v, mask):
    split = lambda t: t.reshape(B, S, H, D // H).transpose(0, 2, 1, 3)
    q, k, v = map(split, (q, k, v)); bias = np.where(np.tril(np.ones((S, S)))[None, None] * mask[:, None, None, :] > 0, 0, -1e9)
    return (softmax(q @ k.transpose(0, 1, 3, 2) / np.sqrt(D // H) + bias) @ v).transpose(0, 2, 1, 3).reshape(B, S, D)


ids = rng.integers(0, V, (B, S)); mask = np.ones((B, S), np.int64); mask[1, 4:] = 0
E, U = w(V, D) * 4, w(D, V)


# 1. As onnxruntime-genai writes language models: caches, GroupQueryAttention, int4 products, fused norms that hold the residual.
def int4(k, n):
    q = rng.integers(0, 16, (n, k)); s = (rng.random((n, k // 16)) * .1 + .05).astype(np.float32); pairs = q.reshape(n, k // 16, 8, 2)
    packed = (pairs[..., 0] | pairs[..., 1] << 4).astype(np.uint8); return packed, s.reshape(-1), ((q - 8) * np.repeat(s, 16, 1)).T.astype(np.float64)
L = []
inits = [init(E, "embed"), init(U, "head"), init(np.array([1]), "one"), init(np.array([1], np.int64), "axis1")]
nodes = [node("Gather", ["embed", "input_ids"], ["x0"]), node("ReduceSum", ["attention_mask", "axis1"], ["lengths"], keepdims=0), node("Sub", ["lengths", "one"], ["last"]), node("Cast", ["last"], ["seqlens_k"], to=T.INT32),
         node("Shape", ["attention_mask"], ["mask_shape"]), node("Gather", ["mask_shape", "one"], ["total_long"]), node("Cast", ["total_long"], ["total"], to=T.INT32)]
gains = [w(D, 1)[:, 0] * .2 + 1 for _ in range(5)]; gains = [q.astype(np.float32) for q in gains]; inits += [init(q, f"g{i}") for i, q in enumerate(gains)]
nodes.append(node("SimplifiedLayerNormalization", ["x0", "g0"], ["n0"], axis=-1, epsilon=1e-5)); norm, res = "n0", "x0"
def product(i, k, n, name):
    packed, scales, full = int4(k, n); inits.extend([init(packed, name + "_q"), init(scales, name + "_s")]); nodes.append(node("MatMulNBits", [i, name + "_q", name + "_s"], [name], domain=MS, K=k, N=n, bits=4, block_size=16)); return full
for b in range(2):
    f = {m: product(norm, D, D, f"b{b}_{m}") for m in "qkv"}
    nodes.append(node("GroupQueryAttention", [f"b{b}_q", f"b{b}_k", f"b{b}_v", f"past_key_values.{b}.key", f"past_key_values.{b}.value", "seqlens_k", "total"], [f"att{b}", f"present.{b}.key", f"present.{b}.value"], domain=MS, num_heads=H, kv_num_heads=H))
    f["o"] = product(f"att{b}", D, D, f"b{b}_o")
    nodes.append(node("SkipSimplifiedLayerNormalization", [res, f"b{b}_o", f"g{2 * b + 1}"], [f"n{b}_mid", "", "", f"mid{b}"], domain=MS, epsilon=1e-5))
    f["u"] = product(f"n{b}_mid", D, 2 * D, f"b{b}_u"); nodes += [node("Sigmoid", [f"b{b}_u"], [f"sig{b}"]), node("Mul", [f"b{b}_u", f"sig{b}"], [f"act{b}"])]; f["d"] = product(f"act{b}", 2 * D, D, f"b{b}_d")
    last = b == 1; nodes.append(node("SkipSimplifiedLayerNormalization", [f"mid{b}", f"b{b}_d", f"g{2 * b + 2}"], [f"norm{b}"] + ([] if last else ["", "", f"x{b + 1}"]), domain=MS, epsilon=1e-5)); norm, res = f"norm{b}", f"x{b + 1}"; L.append(f)
nodes.append(node("MatMul", [norm, "head"], ["logits"]))
def genai(edit):
    x = E[ids].astype(np.float64)
    for b, f in enumerate(L):
        n = rms(x, gains[2 * b]); x = x + attention(n @ f["q"], n @ f["k"], n @ f["v"], mask) @ f["o"]; x = x + silu(rms(x, gains[2 * b + 1]) @ f["u"]) @ f["d"]
        if b == 0: x = edit(x)
    out = rms(x, gains[4]) @ U; out[1, 4:] = 0; return {"logits": out}
hd = D // H; past = [vi(f"past_key_values.{b}.{q}", T.FLOAT, ["batch", H, "past", hd]) for b in range(2) for q in ("key", "value")]
feeds = {"input_ids": ids, "attention_mask": mask}
# Padded positions of a right-padded row are undefined in GroupQueryAttention: their logits are not compared (0 here and there).
inits.append(init(np.array([-1, 1], np.int64), "mask_cols")); nodes[-1] = node("MatMul", [norm, "head"], ["raw"]); inits.append(init(np.array([2], np.int64), "axis2"))
nodes += [node("Cast", ["attention_mask"], ["mask_float"], to=T.FLOAT), node("Unsqueeze", ["mask_float", "axis2"], ["mask3"]), node("Mul", ["raw", "mask3"], ["logits"])]
write("cached-int4", nodes, [vi("input_ids", T.INT64, ["batch", "seq"]), vi("attention_mask", T.INT64, ["batch", "total"]), *past], [vi("logits", T.FLOAT, ["batch", "seq", V])] + [vi(f"present.{b}.{q}", T.FLOAT, ["batch", H, "total", hd]) for b in range(2) for q in ("key", "value")],
      [i for i in inits if i.name != "mask_cols"], {**feeds, **{p.name: np.zeros((B, H, 0, hd), np.float32) for p in past}}, "x1", genai, domains=[MS], tolerance=2e-5)


# 2. A plain model all of whose layers lie in the branch of an If that is always taken; names of both branches are the same.
A, C = w(D, 4 * D), w(4 * D, D)
def branch(scale): return h.make_graph([node("MatMul", ["x", "A"], ["inner_up"]), node("Relu", ["inner_up"], ["inner_act"]), node("MatMul", ["inner_act", "C"], ["inner_down"]), node("Add", ["x", "inner_down"], ["residual"]),
    node("Mul", ["residual", "factor"], ["scaled"]), node("MatMul", ["scaled", "head"], ["out"])], "branch", [], [vi("out", T.FLOAT, ["batch", "seq", V])], [init(np.float32(scale), "factor")])
def inside(edit): x = E[ids].astype(np.float64); x = edit(x + np.maximum(x @ A, 0) @ C); return {"logits": (x * 2) @ U}
write("branch", [node("Gather", ["embed", "input_ids"], ["x"]), node("Constant", [], ["no"], value=h.make_tensor("no", T.BOOL, [], [False])), node("Not", ["no"], ["yes"]), node("If", ["yes"], ["logits"], then_branch=branch(2), else_branch=branch(3))],
      [vi("input_ids", T.INT64, ["batch", "seq"])], [vi("logits", T.FLOAT, ["batch", "seq", V])], [init(E, "embed"), init(U, "head"), init(A, "A"), init(C, "C")], {"input_ids": ids}, "residual", inside, tolerance=2e-5)


# 3. QDQ: the quantised residual is dequantised once for each of its two readers.
s = np.float32(.0625); dq = lambda x: np.clip(np.rint(x / s) + 128, 0, 255) * s - 128 * s
def quantised(edit): x = E[ids].astype(np.float64); x = edit(dq(x)); return {"logits": (x + np.maximum(x @ A, 0) @ C) @ U}
write("quantised", [node("Gather", ["embed", "input_ids"], ["x"]), node("QuantizeLinear", ["x", "s", "z"], ["x_q"]), node("DequantizeLinear", ["x_q", "s", "z"], ["x_dq"]), node("DequantizeLinear", ["x_q", "s", "z"], ["x_dq_again"]), node("MatMul", ["x_dq_again", "A"], ["up"]), node("Relu", ["up"], ["act"]), node("MatMul", ["act", "C"], ["down"]), node("Add", ["x_dq", "down"], ["y"]), node("MatMul", ["y", "head"], ["logits"])],
      [vi("input_ids", T.INT64, ["batch", "seq"])], [vi("logits", T.FLOAT, ["batch", "seq", V])], [init(E, "embed"), init(U, "head"), init(A, "A"), init(C, "C"), init(s, "s"), init(np.uint8(128), "z")], {"input_ids": ids}, "x_dq", quantised, tolerance=2e-5)


# 4. Half precision, the residual inside SkipLayerNormalization.
E16, U16, A16, C16 = (q.astype(np.float16) for q in (E * .25, U, A, C)); g16, b16 = (gains[0]).astype(np.float16), (w(D, 1)[:, 0] * .1).astype(np.float16); bias16 = (w(D, 1)[:, 0]).astype(np.float16)
def half(edit): x = E16[ids].astype(np.float64); x = edit(x + np.maximum(x @ A16, 0) @ C16 + bias16); return {"logits": ln(x, g16, b16) @ U16 + x @ U16}
write("half", [node("Gather", ["embed", "input_ids"], ["x"]), node("MatMul", ["x", "A"], ["up"]), node("Relu", ["up"], ["act"]), node("MatMul", ["act", "C"], ["down"]), node("SkipLayerNormalization", ["x", "down", "g", "b", "bias"], ["norm", "", "", "sum"], domain=MS, epsilon=1e-5), node("MatMul", ["norm", "head"], ["left"]), node("MatMul", ["sum", "head"], ["right"]), node("Add", ["left", "right"], ["logits"])],
      [vi("input_ids", T.INT64, ["batch", "seq"])], [vi("logits", T.FLOAT16, ["batch", "seq", V])], [init(E16, "embed"), init(U16, "head"), init(A16, "A"), init(C16, "C"), init(g16, "g"), init(b16, "b"), init(bias16, "bias")], {"input_ids": ids}, "sum", half, domains=[MS], tolerance=2e-3)


# 5. BERT as ONNX Runtime's optimizer writes it: EmbedLayerNormalization with the sum as its third output, a classifier on the first token.
P, G = w(64, D), w(2, D); ge, be = gains[1], (w(D, 1)[:, 0] * .1).astype(np.float32); W, labels = w(D, 4), None
def bert(edit): x = edit(E[ids].astype(np.float64) + P[:S] + G[0]); n = ln(x, ge, be); return {"logits": (n[:, 0] + x[:, 1]) @ W}
write("embed-norm", [node("Shape", ["input_ids"], ["shape"]), node("ConstantOfShape", ["shape"], ["segments"], value=h.make_tensor("z", T.INT32, [1], [0])), node("Cast", ["input_ids"], ["ids32"], to=T.INT32), node("EmbedLayerNormalization", ["ids32", "segments", "words", "positions", "types", "g", "b"], ["norm", "mask_index", "sum"], domain=MS, epsilon=1e-5), node("Gather", ["norm", "first"], ["pooled"], axis=1), node("Gather", ["sum", "second"], ["other"], axis=1), node("Add", ["pooled", "other"], ["both"]), node("MatMul", ["both", "W"], ["logits"])],
      [vi("input_ids", T.INT64, ["batch", "seq"])], [vi("logits", T.FLOAT, ["batch", 4])], [init(E, "words"), init(P, "positions"), init(G, "types"), init(ge, "g"), init(be, "b"), init(np.int64(0), "first"), init(np.int64(1), "second"), init(W, "W")], {"input_ids": ids}, "sum", bert, domains=[MS], tolerance=2e-5)


# 6. A network for images of opset 9, channels first, classes as probabilities.
K1, K2, F = w(3, 3, 1, 1) * 2, w(5, 3, 1, 1), w(5, 4); image = rng.standard_normal((B, 3, 5, 7)).astype(np.float32)
conv = lambda x, k: np.einsum("bchw,oc->bohw", x, k[:, :, 0, 0].astype(np.float64))
def pictures(edit): x = edit(np.maximum(conv(image.astype(np.float64), K1), 0)); return {"probabilities": softmax(np.maximum(conv(x, K2), 0).mean((2, 3)) @ F)}
write("image", [node("Conv", ["image", "K1"], ["c1"]), node("Relu", ["c1"], ["hidden"]), node("Conv", ["hidden", "K2"], ["c2"]), node("Relu", ["c2"], ["r2"]), node("GlobalAveragePool", ["r2"], ["pool"]), node("Flatten", ["pool"], ["flat"], axis=1), node("MatMul", ["flat", "F"], ["scores"]), node("Softmax", ["scores"], ["probabilities"], axis=1)],
      [vi("image", T.FLOAT, ["batch", 3, "height", "width"])], [vi("probabilities", T.FLOAT, ["batch", 4])], [init(K1, "K1"), init(K2, "K2"), init(F, "F")], {"image": image}, "hidden", pictures, opset=9, ir=4, value=np.maximum(rng.standard_normal((B, 3, 5, 7)), 0))


# 7. Float64, one row for each sample.
A64, C64 = (q.astype(np.float64) for q in (A, w(4 * D, 4))); rows = rng.standard_normal((8, D))
write("double", [node("MatMul", ["x", "A"], ["up"]), node("Tanh", ["up"], ["hidden"]), node("MatMul", ["hidden", "C"], ["logits"])], [vi("x", T.DOUBLE, ["batch", D])], [vi("logits", T.DOUBLE, ["batch", 4])], [init(A64, "A"), init(C64, "C")], {"x": rows}, "hidden",
      lambda edit: {"logits": edit(np.tanh(rows @ A64)) @ C64})
