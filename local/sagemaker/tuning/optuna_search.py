"""Bayesian, Random and Hyperband search, by Optuna.

Bayesian is a tree-structured Parzen estimator (Bergstra et al., "Algorithms for Hyper-Parameter
Optimization", 2011) over all ranges together, which knows of the trials that still run (constant
liar). AWS uses Gaussian processes. Hyperband adds its successive halving over the values that the
running jobs report (Li et al., "Hyperband", 2018): one value of the objective is one resource.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence

import optuna

from local.sagemaker.tuning.ranges import CategoricalRange, Range
from local.sagemaker.tuning.search import Trial

# The first trials are random. Optuna's ten would leave nothing to a laptop's eight trials.
_MIN_RANDOM, _MAX_RANDOM = 3, 10
_RANDOM_SHARE = 0.25


class OptunaSearch:
    """One study in memory. Not thread-safe: a tuning job asks from one thread."""

    def __init__(
        self,
        strategy: str,
        ranges: Sequence[Range],
        maximise: bool,
        seed: int | None,
        max_trials: int,
        resources: tuple[int, int | None] = (1, None),
    ) -> None:
        """`resources` are Hyperband's least and greatest; None lets the first trials tell."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._ranges = ranges
        self._distributions = {one.name: _distribution(one) for one in ranges}
        self._study = optuna.create_study(
            direction="maximize" if maximise else "minimize",
            sampler=_sampler(strategy, seed, max_trials),
            pruner=_pruner(strategy, resources),
        )
        self._asked: dict[int, optuna.trial.Trial] = {}
        self._reported: Counter[int] = Counter()  # how many values of each trial
        self._pruned: set[int] = set()

    def learn(self, values: dict[str, str], objective: float) -> None:
        """Take a parent's trial into the study, if it lies within the ranges."""
        params = self._searched(values)
        if params is not None:
            self._study.add_trial(
                optuna.trial.create_trial(
                    params=params, distributions=self._distributions, value=objective
                )
            )

    def try_first(self, values: dict[str, str]) -> None:
        """Make this the next trial, if it lies within the ranges."""
        params = self._searched(values)
        if params is not None:
            self._study.enqueue_trial(params, skip_if_exists=True)

    def ask(self) -> Trial | None:
        asked = self._study.ask(self._distributions)
        self._asked[asked.number] = asked
        values = {one.name: one.text(asked.params[one.name]) for one in self._ranges}
        return Trial(asked.number, values)

    def report(self, trial: Trial, values: Sequence[float]) -> bool:
        asked = self._asked[trial.number]
        new = values[self._reported[trial.number] :]
        for value in new:
            self._reported[trial.number] += 1
            asked.report(value, self._reported[trial.number])
            if asked.should_prune():
                self._pruned.add(trial.number)
        return trial.number in self._pruned

    def tell(self, trial: Trial, value: float | None) -> None:
        state = optuna.trial.TrialState.COMPLETE
        if value is None:
            state = optuna.trial.TrialState.FAIL
        elif trial.number in self._pruned:
            state, value = optuna.trial.TrialState.PRUNED, None
        self._study.tell(self._asked.pop(trial.number), value, state=state)

    def _searched(self, values: dict[str, str]) -> dict[str, float | str] | None:
        params = {one.name: one.searched(values.get(one.name, "")) for one in self._ranges}
        known = {name: value for name, value in params.items() if value is not None}
        return known if len(known) == len(params) else None


def _distribution(one: Range) -> optuna.distributions.BaseDistribution:
    if isinstance(one, CategoricalRange):
        return optuna.distributions.CategoricalDistribution(one.values)
    if one.integer:
        return optuna.distributions.IntDistribution(int(one.low), int(one.high), log=one.log)
    return optuna.distributions.FloatDistribution(one.low, one.high, log=one.log)


def _sampler(strategy: str, seed: int | None, max_trials: int) -> optuna.samplers.BaseSampler:
    if strategy == "Random":
        return optuna.samplers.RandomSampler(seed=seed)
    random_trials = min(max(round(max_trials * _RANDOM_SHARE), _MIN_RANDOM), _MAX_RANDOM)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            n_startup_trials=random_trials, multivariate=True, constant_liar=True, seed=seed
        )


def _pruner(strategy: str, resources: tuple[int, int | None]) -> optuna.pruners.BasePruner:
    if strategy != "Hyperband":
        return optuna.pruners.NopPruner()
    least, greatest = resources
    return optuna.pruners.HyperbandPruner(min_resource=least, max_resource=greatest or "auto")
