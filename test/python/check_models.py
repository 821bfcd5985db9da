"""Checks ONNX files with ONNX's own checker and runs them with Python's ONNX Runtime.

Reads a JSON list of {file, runs: [{input name: {shape, data}}]} from standard input, and answers with a list of
{error: text or null, runs: [{output name: {shape, data}}]} on standard output.
"""
import json
import sys

import numpy as np
import onnx
import onnxruntime


def as_json(array):
    return {"shape": list(array.shape), "data": array.astype(float).ravel().tolist()}


def check(request):
    try:
        onnx.checker.check_model(request["file"], full_check=True)
        if not request["runs"]:
            return {"error": None, "runs": []}
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(request["file"], options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        runs = []
        for run in request["runs"]:
            feeds = {name: np.array(x["data"], np.float32).reshape(x["shape"]) for name, x in run.items()}
            runs.append({name: as_json(y) for name, y in zip(names, session.run(names, feeds))})
        return {"error": None, "runs": runs}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "runs": []}


json.dump([check(request) for request in json.load(sys.stdin)], sys.stdout)
