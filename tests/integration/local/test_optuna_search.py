"""The searches of tuning jobs, judged on a known function. Optuna lives in the emulator's
environment, so they run there.
"""

from __future__ import annotations

import json
import subprocess

from local.launch import EMULATOR_PYTHON, ROOT

# Best (1.0) at lr = 0.01, momentum = 0.99 and 64 of a batch.
_JUDGE = """
import json, math, sys
from local.sagemaker.tuning.optuna_search import OptunaSearch
from local.sagemaker.tuning.ranges import parse

RANGES = parse({
    "ContinuousParameterRanges": [
        {"Name": "lr", "MinValue": "0.0001", "MaxValue": "1", "ScalingType": "Logarithmic"},
        {"Name": "momentum", "MinValue": "0", "MaxValue": "0.999",
         "ScalingType": "ReverseLogarithmic"},
    ],
    "CategoricalParameterRanges": [{"Name": "batch", "Values": ["32", "64"]}],
})

def score(values):
    return (
        1
        - abs(math.log10(float(values["lr"])) + 2) / 4
        - abs(math.log10(1 - float(values["momentum"])) + 2) / 6
        - (values["batch"] != "64") / 10
    )

def run(strategy, seed, trials=24, sign=1, parents=()):
    search = OptunaSearch(strategy, RANGES, sign > 0, seed, trials)
    for values in parents:
        search.learn(values, sign * score(values))
    tried = []
    for _ in range(trials):
        trial = search.ask()
        tried.append(trial.values)
        search.tell(trial, sign * score(trial.values))
    return tried

def mean_score(tried):
    return sum(map(score, tried)) / len(tried)

SEEDS = range(5)
print(json.dumps({
    "bayesian": sum(max(map(score, run("Bayesian", seed))) for seed in SEEDS) / 5,
    "bayesian_mean": sum(mean_score(run("Bayesian", seed)) for seed in SEEDS) / 5,
    "minimised_mean": sum(mean_score(run("Bayesian", seed, sign=-1)) for seed in SEEDS) / 5,
    "random_mean": sum(mean_score(run("Random", seed)) for seed in SEEDS) / 5,
    "cold_mean": sum(mean_score(run("Bayesian", seed, 8)) for seed in SEEDS) / 5,
    "warm_mean": sum(
        mean_score(run("Bayesian", seed, 8, parents=run("Bayesian", seed + 5))) for seed in SEEDS
    ) / 5,
    "same_seed": run("Bayesian", 7) == run("Bayesian", 7),
}))
"""


def test_bayesian_search_learns_from_its_trials_and_its_parents() -> None:
    ran = subprocess.run(
        [str(EMULATOR_PYTHON), "-c", _JUDGE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    figures = json.loads(ran.stdout)

    assert figures["bayesian"] > 0.85
    assert figures["bayesian_mean"] > figures["random_mean"] + 0.05
    assert figures["minimised_mean"] > figures["random_mean"] + 0.05
    assert figures["warm_mean"] > figures["cold_mean"] + 0.05
    assert figures["same_seed"]
