"""Checks a feature bundle against NumPy, from docs/bundle-format.md alone: nothing of this project is used.

Reads one JSON object from standard input (paths of the bundle, the SAE, the rows and what is known of them) and prints a JSON list of
what is wrong, empty where nothing is.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np
import onnxruntime as ort

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1"}


def read_safetensors(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    start = 8 + length
    return {
        name: np.frombuffer(data[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]], DTYPES[entry["dtype"]])
        .reshape(entry["shape"])
        for name, entry in header.items()
    }


def explained_variance(x, x_hat):
    x, x_hat = x.astype(np.float64), x_hat.astype(np.float64)
    return 1 - ((x - x_hat) ** 2).sum(1).mean() / ((x**2).sum(1).mean() - (x.mean(0) ** 2).sum())


class Check:
    def __init__(self, spec):
        self.problems = []
        self.folder = pathlib.Path(spec["bundle"])
        self.manifest = json.loads((self.folder / "bundle.json").read_text())
        self.settings = self.manifest["settings"]
        self.overview = read_safetensors(self.folder / "overview.safetensors")
        self.features = read_safetensors(self.folder / "features.safetensors")
        self.examples = read_safetensors(self.folder / "examples.safetensors")
        self.x = np.load(spec["activations"])
        # What is reconstructed: a transcoder's targets, or the rows.
        self.y = np.load(spec["target"]) if spec.get("target") else self.x
        session = ort.InferenceSession(spec["sae"], providers=["CPUExecutionProvider"])
        self.f, self.x_hat = session.run(["features", "reconstruction"], {"activations": self.x})
        self.decoder = np.load(spec["decoder"])
        self.encoder = np.load(spec["encoder"])
        self.norms = np.linalg.norm(self.decoder.astype(np.float64), axis=1)
        if spec.get("fold"):
            self.f = (self.f * self.norms).astype(np.float32)
        load = lambda key: np.load(spec[key]) if spec.get(key) else None
        self.tokens, self.positions, self.sequences = load("tokens"), load("positions"), load("sequences")
        self.unembedding = load("unembedding")
        self.labels = spec.get("labels", [])

    def equal(self, name, got, expected):
        if not np.array_equal(np.asarray(got), np.asarray(expected)):
            self.problems.append(f"{name}: {np.asarray(got).ravel()[:12]} is not {np.asarray(expected).ravel()[:12]}")

    def close(self, name, got, expected, tolerance=1e-5):
        got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
        if got.shape != expected.shape or not np.allclose(got, expected, rtol=tolerance, atol=tolerance, equal_nan=True):
            self.problems.append(f"{name}: {got.ravel()[:12]} is not near {expected.ravel()[:12]}")

    def files(self):
        for name, entry in self.manifest["files"].items():
            data = (self.folder / name).read_bytes()
            self.equal(f"{name} bytes", entry["bytes"], len(data))
            self.equal(f"{name} sha256", entry["sha256"], hashlib.sha256(data).hexdigest())
        self.equal("files", sorted(path.name for path in self.folder.iterdir()), sorted([*self.manifest["files"], "bundle.json"]))
        self.equal("activations.sha256", self.manifest["activations"]["sha256"], hashlib.sha256(self.x.tobytes()).hexdigest())

    def statistics(self):
        active = self.f > 0
        count = active.sum(0)
        stated = self.manifest["statistics"]
        rows = len(self.x)
        self.equal("rows", self.manifest["activations"]["rows"], rows)
        self.equal("count", self.overview["count"], count)
        self.close("density", self.overview["density"], count / rows)
        with np.errstate(divide="ignore"):
            self.close("log10_density", self.overview["log10_density"], np.log10(count / rows))
        self.close("max", self.overview["max"], np.maximum(self.f.max(0), 0))
        self.close("mean_active", self.overview["mean_active"], (self.f * active).sum(0) / np.maximum(count, 1))
        self.close("decoder_norm", self.overview["decoder_norm"], self.norms)
        if self.encoder.shape == self.decoder.T.shape:
            encoder = self.encoder / np.linalg.norm(self.encoder, axis=0)
            unit = self.decoder / self.norms[:, None]
            self.close("encoder_decoder_cosine", self.overview["encoder_decoder_cosine"], (encoder.T * unit).sum(1))
        else:
            self.equal("encoder_decoder_cosine", "encoder_decoder_cosine" in self.overview, False)
        self.equal("never_fired", stated["never_fired"], (count == 0).sum())
        l0 = active.sum(1)
        self.close("l0.mean", stated["l0"]["mean"], l0.mean())
        self.equal("l0 range", [stated["l0"]["min"], stated["l0"]["max"]], [l0.min(), l0.max()])
        edges = np.arange(len(stated["l0"]["counts"]) + 1) * stated["l0"]["bin_width"]
        self.equal("l0.counts", stated["l0"]["counts"], [((l0 >= a) & (l0 < b)).sum() for a, b in zip(edges, edges[1:])])
        self.equal("log10_density.counts", sum(stated["log10_density"]["counts"]), (count > 0).sum())
        norms = np.linalg.norm(self.y.astype(np.float64), axis=1)
        self.close("median_norm", stated["median_norm"], np.median(norms), 0.02)
        self.equal("sink_rows", stated["sink_rows"], (norms > 10 * np.median(norms)).sum())
        self.close("explained_variance", stated["explained_variance"], explained_variance(self.y, self.x_hat))
        kept = norms <= 10 * np.median(norms)
        without = explained_variance(self.y[kept], self.x_hat[kept])
        self.close("explained_variance_without_sinks", stated["explained_variance_without_sinks"], without)

    def histograms(self):
        bins, intervals = self.settings["histogram_bins"], self.settings["intervals"]
        for latent, counts in enumerate(self.features["histogram"]):
            values = self.f[:, latent][self.f[:, latent] > 0]
            width = self.overview["histogram_width"][latent]
            if len(values) == 0:
                self.equal(f"histogram of silent {latent}", [counts.sum(), width], [0, 0])
                continue
            expected = np.bincount(np.floor(values / width).astype(int), minlength=bins)
            self.equal(f"histogram {latent}", counts, expected)
            if np.flatnonzero(expected).max() < bins * 0.85:
                self.problems.append(f"histogram {latent} ends at bin {np.flatnonzero(expected).max()}")
            shares, _ = np.histogram(values, intervals, (0, values.max()))
            # Bins that an edge cuts are divided in proportion.
            self.close(f"interval_share {latent}", self.features["interval_share"][latent], shares / len(values), 0.05 + 2 / len(values))

    def contexts(self):
        before, after = self.settings["context_before"], self.settings["context_after"]
        offsets, positions = self.overview["example_offsets"], self.overview["context_offsets"]
        intervals, per_interval = self.settings["intervals"], self.settings["interval_examples"]
        for latent in range(self.f.shape[1]):
            f = self.f[:, latent]
            part = slice(offsets[latent], offsets[latent + 1])
            rows, groups, values = (self.examples[key][part] for key in ("row", "group", "value"))
            top = np.lexsort((np.arange(len(f)), -f))[: self.settings["top_examples"]]
            self.equal(f"top rows of {latent}", rows[groups < 0], top[f[top] > 0])
            self.close(f"values of {latent}", values, f[rows])
            if len(rows) > 0:
                interval = np.minimum(intervals - 1, np.floor(f[f > 0].astype(np.float64) * intervals / f.max()))
                members = np.bincount(interval.astype(int), minlength=intervals)
                chosen = np.bincount(groups[groups >= 0], minlength=intervals)
                self.equal(f"examples by interval of {latent}", chosen, np.minimum(members, per_interval))
                own = np.minimum(intervals - 1, np.floor(f[rows].astype(np.float64) * intervals / f.max()))
                self.equal(f"intervals of {latent}", groups[groups >= 0], own[groups >= 0])
                drawn = [tuple(pair) for pair in zip(rows, groups)]
                self.equal(f"distinct examples of {latent}", len(set(drawn)), len(drawn))
            at = positions[latent]
            for i in range(offsets[latent], offsets[latent + 1]):
                row = self.examples["row"][i]
                context = np.arange(max(0, row - before), min(len(f), row + after + 1))
                if self.sequences is not None:
                    context = context[self.sequences[context] == self.sequences[row]]
                    self.equal(f"sequence of example {i}", self.examples["sequence"][i], self.sequences[row])
                else:
                    context = np.array([row])
                self.equal(f"context of example {i}", self.examples["context_length"][i], len(context))
                self.equal(f"qualifying of example {i}", self.examples["qualifying"][i], np.flatnonzero(context == row)[0])
                here = slice(at, at + len(context))
                self.close(f"context values of example {i}", self.examples["context_values"][here], np.maximum(f[context], 0), 1e-3)
                if self.tokens is not None:
                    self.equal(f"context tokens of example {i}", self.examples["context_tokens"][here], self.tokens[context])
                if self.positions is not None:
                    self.equal(f"position of example {i}", self.examples["position"][i], self.positions[row])
                for column, codes in enumerate(self.labels):
                    self.equal(f"label of example {i}", self.examples[f"label_{column}"][i], codes[row])
                at += len(context)
            self.equal(f"context_offsets of {latent}", positions[latent + 1], at)

    def neighbours(self):
        most = min(self.settings["neighbours"], len(self.decoder) - 1)
        unit = self.decoder / self.norms[:, None]
        cosines = unit @ unit.T
        np.fill_diagonal(cosines, -np.inf)
        latents = self.features["cosine_latents"][:, :most]
        self.equal("no more cosine_latents", np.unique(self.features["cosine_latents"][:, most:]), [-1] if most < self.settings["neighbours"] else [])
        expected = -np.sort(-cosines, axis=1)[:, :most]
        self.close("cosine_values", self.features["cosine_values"][:, :most], expected)
        self.close("cosines of cosine_latents", np.take_along_axis(cosines, latents.astype(int), 1), expected)

        most = self.settings["neighbours"]
        active = (self.f > 0).astype(np.int64)
        together = active.T @ active
        count = np.diag(together).copy()
        union = count[:, None] + count[None] - together
        jaccard = np.where(together > 0, together / np.maximum(union, 1), 0.0)
        np.fill_diagonal(jaccard, 0)
        for latent in range(len(together)):
            order = np.lexsort((np.arange(len(count)), -jaccard[latent]))[:most]
            order = order[jaccard[latent][order] > 0]
            filled = np.pad(order, (0, most - len(order)), constant_values=-1)
            self.equal(f"coactivation_latents of {latent}", self.features["coactivation_latents"][latent], filled)
            self.equal(f"coactivation_counts of {latent}", self.features["coactivation_counts"][latent][: len(order)], together[latent][order])
            self.close(f"coactivation_jaccard of {latent}", self.features["coactivation_jaccard"][latent][: len(order)], jaccard[latent][order])

    def logits(self):
        if self.unembedding is None:
            self.equal("logits", "logit_top_tokens" in self.features, False)
            return
        most, bins = self.settings["logits"], self.settings["histogram_bins"]
        unembedding = self.unembedding if self.unembedding.shape[0] == self.decoder.shape[1] else self.unembedding.T
        logits = self.decoder @ unembedding
        for end, sign in (("top", -1), ("bottom", 1)):
            expected = np.sort(sign * logits, axis=1)[:, :most] * sign
            self.close(f"logit_{end}_values", self.features[f"logit_{end}_values"], expected)
            tokens = self.features[f"logit_{end}_tokens"].astype(int)
            self.close(f"logits of logit_{end}_tokens", np.take_along_axis(logits, tokens, 1), expected)
        self.close("logit_range", self.features["logit_range"], np.stack([logits.min(1), logits.max(1)], 1))
        for latent in range(len(logits)):
            expected, _ = np.histogram(logits[latent], bins, self.features["logit_range"][latent])
            off = np.abs(self.features["logit_histogram"][latent] - expected).sum()
            if off > 2 + 0.01 * logits.shape[1]:
                self.problems.append(f"logit_histogram of {latent} is off by {off}")


check = Check(json.load(sys.stdin))
for part in (check.files, check.statistics, check.histograms, check.contexts, check.neighbours, check.logits):
    part()
print(json.dumps(check.problems[:40]))
