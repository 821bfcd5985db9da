"""Times a plain loop of ONNX Runtime over batches on disk. Answers each line of standard input with one of standard output.

The first line, {folder, model, batches, output, threads}, sets it up and gives {"version": ...}; every other runs all batches once and gives
{"rows": ..., "seconds": ...}. Reading the batches and opening the session is not timed.
"""

import glob
import json
import os
import sys
import time

import numpy as np
import onnxruntime

setup = json.loads(sys.stdin.readline())
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = setup["threads"]
session = onnxruntime.InferenceSession(setup["model"], options, providers=["CPUExecutionProvider"])
needed = {value.name for value in session.get_inputs()}
feeds = []
for i in range(setup["batches"]):
    files = glob.glob(os.path.join(setup["folder"], f"{i}.*.npy"))
    arrays = {os.path.basename(file)[len(f"{i}.") : -len(".npy")]: np.load(file) for file in files}
    feeds.append({name: array for name, array in arrays.items() if name in needed})
print(json.dumps({"version": onnxruntime.__version__}), flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    rows = 0
    for batch in feeds:
        (result,) = session.run([setup["output"]], batch)
        rows += result.size // result.shape[-1]
    print(json.dumps({"rows": rows, "seconds": time.perf_counter() - start}), flush=True)
