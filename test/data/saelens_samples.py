"""Samples of SAELens's own synthetic models, counted: what our generators are held against.

    python saelens_samples.py '{"kind": "trees", "samples": 100000}'

With "save" the synthetic model of kind "trees" is saved into that folder, by SAELens's own `save`. Prints one line of JSON: the model (probabilities as sampled, magnitudes, factors or matrix, parents) and what `samples` samples hold: how often each
feature fires, how often each pair does, and the sum of each feature's magnitudes and of their squares.
"""
import json
import sys

import torch
from sae_lens.synthetic import (ActivationGenerator, FoldedNormalMagnitudeConfig, HierarchyConfig, LinearMagnitudeConfig, LowRankCorrelationConfig,
                                SyntheticModel, SyntheticModelConfig, ZipfianFiringProbabilityConfig, generate_random_correlation_matrix,
                                generate_random_low_rank_correlation_matrix)


def parents_of(hierarchy, n):
    parents = [-1] * n
    def visit(node):
        for child in node.children:
            parents[child.feature_index] = node.feature_index
            visit(child)
    for root in hierarchy.roots:
        visit(root)
    return parents


def generator_of(kind, save):
    if kind == "matrix":
        n = 24
        matrix = generate_random_correlation_matrix(n, min_correlation_strength=0.05, max_correlation_strength=0.4, seed=1)
        generator = ActivationGenerator(n, torch.linspace(0.5, 0.03, n), 0.15, 1.0, correlation_matrix=matrix)
        return generator, {"matrix": matrix.tolist()}
    if kind == "low rank":
        n = 60
        low = generate_random_low_rank_correlation_matrix(n, 5, 0.3, seed=1)
        generator = ActivationGenerator(n, torch.linspace(0.4, 0.01, n), 0.15, 1.0, correlation_matrix=low)
        return generator, {"factors": low.correlation_factor.tolist()}
    model = SyntheticModel(SyntheticModelConfig(
        num_features=200, hidden_dim=16, bias=0.5, seed=42,
        firing_probability=ZipfianFiringProbabilityConfig(exponent=0.5, max_prob=0.4, min_prob=0.02),
        hierarchy=HierarchyConfig(total_root_nodes=8, branching_factor=4, max_depth=2, mutually_exclusive_portion=1.0, compensate_probabilities=True,
                                  scale_children_by_parent=True),
        std_firing_magnitudes=FoldedNormalMagnitudeConfig(mean=0.5, std=0.5), mean_firing_magnitudes=LinearMagnitudeConfig(start=5.0, end=4.0),
        correlation=LowRankCorrelationConfig(rank=8, correlation_scale=0.15)))
    if save is not None:
        model.save(save)
    return model.activation_generator, {
        "base": ZipfianFiringProbabilityConfig(exponent=0.5, max_prob=0.4, min_prob=0.02).generate(200).tolist(),
        "parents": parents_of(model.hierarchy, 200), "factors": model.correlation_matrix.correlation_factor.tolist(),
    }


def main(request):
    torch.manual_seed(7)
    generator, model = generator_of(request["kind"], request.get("save"))
    n = generator.num_features
    fired, together = torch.zeros(n, dtype=torch.float64), torch.zeros(n, n, dtype=torch.float64)
    total, squares = torch.zeros(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
    left = request["samples"]
    while left > 0:
        rows = generator.sample(min(left, 5000)).double()
        left -= len(rows)
        on = (rows > 0).double()
        fired += on.sum(0)
        together += on.T @ on
        total += rows.sum(0)
        squares += (rows**2).sum(0)
    print(json.dumps({
        **model, "probabilities": generator.firing_probabilities.tolist(), "mean": generator.mean_firing_magnitudes.tolist(),
        "std": generator.std_firing_magnitudes.tolist(), "fired": fired.tolist(), "together": together.tolist(), "total": total.tolist(),
        "squares": squares.tolist(),
    }))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
