"""Is the challenger good enough to take the champion's place? The rules, and what they rest on.

Photos are compared whose breed both models know. The rules, the first that applies counts:

    refused     the challenger no longer knows a breed that the data set has test photos of
    refused     its training labels contradict it: with 95 % confidence it is right on fewer of the
                photos that it was trained on, by more than 2 points, than on test photos
    refused     a breed got clearly worse: McNemar's exact p value, after Holm's correction for all
                breeds, is below 0.05; or it lost more than half of its photos, and at least four
    refused     the random sample got worse: McNemar's exact p value is below 0.05
    refused     worse overall, or not shown to be as good: with 95 % confidence the challenger may
                have lost more than the margin (2 points) of all test photos
    refused     its confidence is clearly worse: with 95 % confidence the mean log loss of its
                calibrated probabilities on the test photos rose by more than 0.05 nats, which is
                a right answer made 5 % less probable
    better      more right than the champion, and McNemar's exact p value is below 0.05
    not_worse   anything else

The fourth is a test of non-inferiority (FDA, Non-Inferiority Clinical Trials, 2016; G. Piaggio et
al., CONSORT for non-inferiority, JAMA 308, 2012): the challenger has to show that it is not worse.
A test of significance alone would let every bad one pass where photos are few.

The second and the last are about labels. A head on a frozen backbone shrugs off a fifth of wrong
ones at random: it answers as before. But a model that was trained on photos is right on at least as
many of them as on new ones, unless what it was told there is wrong (the idea of confident learning;
C. Northcutt et al., J. Artificial Intelligence Research 70, 2021). And wrong labels among the
validation photos make the temperature, and so every confidence, wrong (benchmarks/label_noise.py).

What they cannot see. With few test photos nobody can show much: about 300 are needed for a margin
of 2 points where the two differ on 4 of 100, and the answer is "refused", with the reason. By
breed, McNemar's test with Holm's correction for 120 breeds needs at least 13 photos of one; below
that only the second half of the rule works, and a loss of a photo or two of seven goes unseen. Of a
package whose job did not count its training photos (its backbone was trained, or it is older) the
labels are not judged. Labels that are wrong in the test split too deceive every rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Literal

from training.contest.answers import Answered, Photo
from training.contest.statistics import ALPHA, Mean, Pairs, drop, holm, mean_of, pairs
from training.errors import JobError
from training.figures.confidence import calibration_error
from training.figures.metrics import Proportion

Word = Literal["better", "not_worse", "refused"]
MARGIN = 0.02
LABELS_MARGIN = 0.02
LOSS_MARGIN = 0.05
COLLAPSE_SHARE, COLLAPSE_PHOTOS = 0.5, 4
SCHEMA = 1


@dataclass(frozen=True)
class Breed:
    """One breed's photos of the test split and the random sample; `p` is Holm-corrected."""

    label: str
    pairs: Pairs
    champion: Proportion
    challenger: Proportion
    p: float

    @property
    def is_worse(self) -> bool:
        net = self.pairs.only_champion - self.pairs.only_challenger
        collapsed = net >= COLLAPSE_PHOTOS and net > COLLAPSE_SHARE * self.pairs.n
        return net > 0 and (self.p < ALPHA or collapsed)


@dataclass(frozen=True)
class Side:
    """One model on the photos that are compared; `ece` on a 0..1 scale, `log_loss` in nats.

    `on_train`: how many of its own training photos it is right on, where its job says that.
    """

    version: str
    name: str
    top1: Proportion
    ece: float
    log_loss: float
    audit: Proportion | None
    on_train: Proportion | None

    def to_json(self) -> dict[str, Any]:
        return {
            "model_version": self.version,
            "name": self.name,
            "top1": self.top1.to_json(),
            "ece": round(self.ece, 4),
            "log_loss": round(self.log_loss, 4),
            "on_train": self.on_train.to_json() if self.on_train else None,
            "audit": self.audit.to_json() if self.audit else None,
        }


@dataclass(frozen=True)
class Contest:
    """Everything that was compared, and what came of it.

    `loss`: by how much the challenger's log loss is higher. `labels`: by how much it is less often
    right on its training photos than on test photos. `added` and `lost` map breeds that only one of
    the two knows to how its photos were answered.
    """

    word: Word
    reason: str
    margin: float
    champion: Side
    challenger: Side
    test: Pairs
    audit: Pairs
    loss: Mean
    labels: Mean | None
    breeds: tuple[Breed, ...]
    added: dict[str, Proportion]
    lost: dict[str, Proportion]
    unknown: int  # photos of breeds that neither knows
    flips: tuple[Photo, ...]

    def to_json(self) -> dict[str, Any]:
        """schemas: {"schema": 1, "verdict", "reason", "champion", "challenger", ...}."""
        return {
            "schema": SCHEMA,
            "verdict": self.word,
            "reason": self.reason,
            "champion": self.champion.to_json(),
            "challenger": self.challenger.to_json(),
            "margin": self.margin,
            "test": _pairs_json(self.test),
            "audit": _pairs_json(self.audit) if self.audit.n else None,
            "log_loss": _mean_json(self.loss),
            "training_labels": _mean_json(self.labels) if self.labels else None,
            "classes": [
                {
                    "label": one.label,
                    **_pairs_json(one.pairs),
                    "p_holm": round(one.p, 6),
                    "champion": one.champion.to_json(),
                    "challenger": one.challenger.to_json(),
                    "worse": one.is_worse,
                }
                for one in self.breeds
            ],
            "added_classes": {label: share.to_json() for label, share in self.added.items()},
            "lost_classes": {label: share.to_json() for label, share in self.lost.items()},
            "photos_neither_knows": self.unknown,
            "flips": len(self.flips),
        }


def _pairs_json(found: Pairs) -> dict[str, float | int]:
    return {
        "n": found.n,
        "only_champion_right": found.only_champion,
        "only_challenger_right": found.only_challenger,
        "difference": round(found.difference, 4),
        "difference_at_least": round(found.least, 4),
        "p": round(found.p, 6),
    }


def _mean_json(found: Mean) -> dict[str, float | int | None]:
    least = round(found.least, 4) if found.n > 1 else None
    return {"n": found.n, "difference": round(found.value, 4), "difference_at_least": least}


def judge(
    champion: Answered,
    challenger: Answered,
    test: Sequence[Photo],
    audit: Sequence[Photo],
    margin: float = MARGIN,
) -> Contest:
    """Compare two packages' answers. `margin`: what may be lost of all test photos, 0..1.

    Raises JobError where no test photo shows a breed that both know.
    """
    answered = [p for p in (*test, *audit) if p.name in champion.predictions.keys()
                & challenger.predictions.keys()]  # fmt: skip
    shared = [p for p in answered if champion.knows(p.label) and challenger.knows(p.label)]
    of_test = set(test)
    tests, audits = ([p for p in shared if (p in of_test) is wanted] for wanted in (True, False))
    if not tests:
        raise JobError(
            "no test photo shows a breed that both models know: the two cannot be compared. Are "
            "the labels of the data set those of the models?"
        )
    breeds = _breeds(champion, challenger, shared)
    only_new = [p for p in answered if challenger.knows(p.label) and not champion.knows(p.label)]
    only_old = [p for p in answered if champion.knows(p.label) and not challenger.knows(p.label)]
    lost = _by_label(champion, only_old)
    on_test, on_audit = _pairs(champion, challenger, tests), _pairs(champion, challenger, audits)
    loss = mean_of([challenger.log_loss(p) - champion.log_loss(p) for p in tests])
    sides = _side(champion, tests, audits), _side(challenger, tests, audits)
    own = sides[1]
    labels = drop(own.top1, own.on_train) if own.on_train else None
    word: Word = "not_worse"
    reason = "The two are one model: they have one version."
    if champion.manifest.version != challenger.manifest.version:
        facts = _Facts(on_test, on_audit, loss, labels, breeds, lost, own, margin)
        refused = facts.refused()
        word, reason = ("refused", refused) if refused else facts.accepted()
    flips = [p for p in shared if champion.is_right(p) != challenger.is_right(p)]
    return Contest(
        word,
        reason,
        margin,
        *sides,
        on_test,
        on_audit,
        loss,
        labels,
        breeds,
        _by_label(challenger, only_new),
        lost,
        len(answered) - len(shared) - len(only_new) - len(only_old),
        tuple(sorted(flips, key=lambda p: (not champion.is_right(p), p.label, p.name))),
    )


@dataclass(frozen=True)
class _Facts:
    """What the rules look at, see Contest."""

    test: Pairs
    audit: Pairs
    loss: Mean
    labels: Mean | None
    breeds: Sequence[Breed]
    lost: dict[str, Proportion]
    challenger: Side
    margin: float

    @property
    def figures(self) -> str:
        test = self.test
        return (
            f"{test.difference:+.1%} of {test.n} test photos ({test.only_challenger} won, "
            f"{test.only_champion} lost, p = {test.p:.2g})"
        )

    def refused(self) -> str | None:
        """Why the challenger is, by the first rule that applies; None where none does."""
        test, audit = self.test, self.audit
        if self.lost:
            return f"It no longer knows {_listed(list(self.lost))}."
        if self.labels and self.labels.least > LABELS_MARGIN:
            return self._labels_are_wrong()
        if worse := [one for one in self.breeds if one.is_worse]:
            words = [f"{o.label} ({o.champion.hits} to {o.challenger.hits} of {o.pairs.n} right)"
                     for o in worse]  # fmt: skip
            return f"Clearly worse for {_listed(words)}. Overall: {self.figures}."
        if audit.difference < 0 and audit.p < ALPHA:
            return (
                f"Worse on the random sample of reviews: {audit.difference:+.1%} of {audit.n} "
                f"photos (p = {audit.p:.2g})."
            )
        if test.difference < 0 and test.p < ALPHA:
            return f"Worse overall: {self.figures}."
        if test.least < -self.margin:
            return (
                f"Not shown to be as good: {self.figures}; with 95 % confidence it may have lost "
                f"{-test.least:.1%}, and {self.margin:.1%} is allowed. More test photos tell more."
            )
        if self.loss.least > LOSS_MARGIN:
            return (
                f"Its confidence is clearly worse: the log loss on {self.loss.n} test photos rose "
                f"by {self.loss.value:.3f}, with 95 % confidence by at least "
                f"{self.loss.least:.3f}, and {LOSS_MARGIN} is allowed. Overall: {self.figures}. "
                "Wrong labels among the validation photos do that: `make verify` with AGAINST= "
                "lists what is new there."
            )
        return None

    def _labels_are_wrong(self) -> str:
        train, test = self.challenger.on_train, self.challenger.top1
        if train is None:
            raise AssertionError("without it there are no figures of labels")
        return (
            f"Its training labels contradict it: it is right on {train.value:.1%} of the {train.n} "
            f"photos that it was trained on, and on {test.value:.1%} of {test.n} test photos. "
            f"About {1 - train.value / test.value:.0%} of those labels are wrong, or are not those "
            "of the test photos. doubtful.json beside the model's metrics.json lists the first to "
            "look at."
        )

    def accepted(self) -> tuple[Word, str]:
        test = self.test
        if test.difference > 0 and test.p < ALPHA:
            return "better", f"Better: {self.figures}."
        return "not_worse", (
            f"Not worse: {self.figures}; with 95 % confidence it lost no more than "
            f"{max(0.0, -test.least):.1%}, and {self.margin:.1%} is allowed."
        )


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")


def _pairs(champion: Answered, challenger: Answered, photos: Sequence[Photo]) -> Pairs:
    return pairs(
        [champion.is_right(photo) for photo in photos],
        [challenger.is_right(photo) for photo in photos],
    )


def _share(model: Answered, photos: Sequence[Photo]) -> Proportion:
    return Proportion(sum(model.is_right(photo) for photo in photos), len(photos))


def _grouped(photos: Sequence[Photo]) -> dict[str, list[Photo]]:
    groups: dict[str, list[Photo]] = {}
    for photo in photos:
        groups.setdefault(photo.label, []).append(photo)
    return dict(sorted(groups.items()))


def _by_label(model: Answered, photos: Sequence[Photo]) -> dict[str, Proportion]:
    return {label: _share(model, group) for label, group in _grouped(photos).items()}


def _breeds(champion: Answered, challenger: Answered, photos: Sequence[Photo]) -> tuple[Breed, ...]:
    groups = _grouped(photos)
    found = {label: _pairs(champion, challenger, group) for label, group in groups.items()}
    corrected = holm({label: one.p for label, one in found.items()})
    return tuple(
        Breed(label, found[label], _share(champion, group), _share(challenger, group),
              corrected[label])
        for label, group in groups.items()
    )  # fmt: skip


def _side(model: Answered, tests: Sequence[Photo], audits: Sequence[Photo]) -> Side:
    right = [model.is_right(photo) for photo in tests]
    sure = [model.predictions[photo.name].confidence for photo in tests]
    return Side(
        model.manifest.version,
        model.manifest.name,
        _share(model, tests),
        calibration_error(sure, right),
        mean(model.log_loss(photo) for photo in tests),
        _share(model, audits) if audits else None,
        model.on_train,
    )
