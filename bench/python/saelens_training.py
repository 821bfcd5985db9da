"""Trains one SAE with SAELens's own trainer on rows from a file, start to frozen model, and prints what it cost.

    python saelens_training.py '{"rows": "acts.npy", "trained": 190000, "architecture": "topk", "options": {"k": 32}, "dSae": 4096, "steps": 1000,
        "batchSize": 4096, "trainer": {"lr": 3e-4}, "seed": 0, "threads": 2, "out": "folder"}'

`rows` [n, d_in] in .npy, float32 or float16, of which the first `trained` (default all) are trained on, in an order of their own in every epoch.
`options` go to the architecture's config, `trainer` to SAETrainerConfig; what is in neither is SAELens's default. The frozen SAE is written to `out` in
SAELens's inference format. Prints one line of JSON: seconds and processor seconds of training, with and without the start of Python.
"""

import json
import sys
import time

began = time.perf_counter()
import numpy
import torch
import sae_lens
from sae_lens.config import LoggingConfig, SAETrainerConfig
from sae_lens.registry import get_sae_training_class
from sae_lens.training.sae_trainer import SAETrainer


def batches(rows, trained, size, seed):
    """Shuffled epochs; a rest of less than a batch begins the next."""
    random = numpy.random.default_rng(seed)
    order = numpy.empty(0, dtype=numpy.int64)
    while True:
        if len(order) < size:
            order = numpy.concatenate([order, random.permutation(trained)])
        take, order = order[:size], order[size:]
        yield torch.from_numpy(rows[numpy.sort(take)].astype(numpy.float32))


def main(request):
    torch.set_num_threads(request.get("threads", 2))
    torch.manual_seed(request["seed"])
    rows = numpy.load(request["rows"], mmap_mode="r")
    trained = request.get("trained", len(rows))
    started, processor = time.perf_counter(), time.process_time()
    training_class, config_class = get_sae_training_class(request["architecture"])
    config = config_class(d_in=rows.shape[1], d_sae=request["dSae"], dtype="float32", device="cpu", **request["options"])
    sae = training_class(config)
    size, steps = request["batchSize"], request["steps"]
    trainer_config = SAETrainerConfig(total_training_samples=steps * size, train_batch_size_samples=size, device="cpu",
                                      logger=LoggingConfig(log_to_wandb=False), **{"lr_end": request["trainer"].get("lr", 3e-4), **request["trainer"]})
    trainer = SAETrainer(trainer_config, sae, batches(rows, trained, size, request["seed"]))
    active = 0
    step = trainer._train_step
    def counting(sae, sae_in):
        nonlocal active
        output = step(sae=sae, sae_in=sae_in)
        active += float(output.losses.get("auxiliary_reconstruction_loss", 0.0)) > 0
        return output
    trainer._train_step = counting
    trained_sae = trainer.fit()
    trained_sae.save_inference_model(request["out"])
    print(json.dumps({
        "version": sae_lens.__version__,
        "seconds": time.perf_counter() - started,
        "processorSeconds": time.process_time() - processor,
        "secondsFromStart": time.perf_counter() - began,
        "deadAtEnd": int(trainer.dead_neurons.sum()),
        "auxKSteps": active,
    }), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
