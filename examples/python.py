"""Which features fire, in Python, with nothing of this project: pip install onnxruntime numpy
python python.py sae.onnx activations.json
"""

import json
import sys

import numpy as np
import onnxruntime as ort

model, activations_file = sys.argv[1:]
with open(activations_file) as file:
    activations = np.array(json.load(file), dtype=np.float32)  # rows of d_in numbers

sae = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
features, reconstruction = sae.run(["features", "reconstruction"], {"activations": activations})
for sample, row in enumerate(features):
    print(f"sample {sample}: " + ", ".join(f"{feature} ({row[feature]:.2f})" for feature in row.nonzero()[0]))
