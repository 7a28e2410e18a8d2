"""Is the challenger good enough to take the champion's place? The rules, and what they rest on.

Photos are compared whose breed both models know. The rules, the first that applies counts:

    refused     the challenger no longer knows a breed that the data set has test photos of
    refused     a breed got clearly worse: McNemar's exact p value, after Holm's correction for all
                breeds, is below 0.05; or it lost more than half of its photos, and at least four
    refused     the random sample got worse: McNemar's exact p value is below 0.05
    refused     worse overall, or not shown to be as good: with 95 % confidence the challenger may
                have lost more than the margin (2 points) of all test photos
    better      more right than the champion, and McNemar's exact p value is below 0.05
    not_worse   anything else

The fourth is a test of non-inferiority (FDA, Non-Inferiority Clinical Trials, 2016; G. Piaggio et
al., CONSORT for non-inferiority, JAMA 308, 2012): the challenger has to show that it is not worse.
A test of significance alone would let every bad one pass where photos are few.

What they cannot see. With few test photos nobody can show much: about 300 are needed for a margin
of 2 points where the two differ on 4 of 100, and the answer is "refused", with the reason. By
breed, McNemar's test with Holm's correction for 120 breeds needs at least 13 photos of one; below
that only the second half of the rule works, and a loss of a photo or two of seven goes unseen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from training.contest.answers import Answered, Photo
from training.contest.statistics import ALPHA, Pairs, holm, pairs
from training.errors import JobError
from training.figures.confidence import calibration_error
from training.figures.metrics import Proportion

Word = Literal["better", "not_worse", "refused"]
MARGIN = 0.02
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
    """One model on the photos that are compared; `ece` on a 0..1 scale."""

    version: str
    name: str
    top1: Proportion
    ece: float
    audit: Proportion | None

    def to_json(self) -> dict[str, Any]:
        return {
            "model_version": self.version,
            "name": self.name,
            "top1": self.top1.to_json(),
            "ece": round(self.ece, 4),
            "audit": self.audit.to_json() if self.audit else None,
        }


@dataclass(frozen=True)
class Contest:
    """Everything that was compared, and what came of it.

    `added` and `lost` map breeds that only one of the two knows to how its photos were answered.
    """

    word: Word
    reason: str
    margin: float
    champion: Side
    challenger: Side
    test: Pairs
    audit: Pairs
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
    same = champion.manifest.version == challenger.manifest.version
    word, reason = _verdict(on_test, on_audit, breeds, lost, margin, same=same)
    flips = [p for p in shared if champion.is_right(p) != challenger.is_right(p)]
    return Contest(
        word,
        reason,
        margin,
        _side(champion, tests, audits),
        _side(challenger, tests, audits),
        on_test,
        on_audit,
        breeds,
        _by_label(challenger, only_new),
        lost,
        len(answered) - len(shared) - len(only_new) - len(only_old),
        tuple(sorted(flips, key=lambda p: (not champion.is_right(p), p.label, p.name))),
    )


def _verdict(
    test: Pairs, audit: Pairs, breeds: Sequence[Breed], lost: dict[str, Proportion],
    margin: float, *, same: bool,
) -> tuple[Word, str]:  # fmt: skip
    figures = (
        f"{test.difference:+.1%} of {test.n} test photos ({test.only_challenger} won, "
        f"{test.only_champion} lost, p = {test.p:.2g})"
    )
    worse = [one for one in breeds if one.is_worse]
    if same:
        return "not_worse", "The two are one model: they have one version."
    if lost:
        return "refused", f"It no longer knows {_listed(list(lost))}."
    if worse:
        words = [f"{o.label} ({o.champion.hits} to {o.challenger.hits} of {o.pairs.n} right)"
                 for o in worse]  # fmt: skip
        return "refused", f"Clearly worse for {_listed(words)}. Overall: {figures}."
    if audit.difference < 0 and audit.p < ALPHA:
        return "refused", (
            f"Worse on the random sample of reviews: {audit.difference:+.1%} of {audit.n} photos "
            f"(p = {audit.p:.2g})."
        )
    if test.difference < 0 and test.p < ALPHA:
        return "refused", f"Worse overall: {figures}."
    if test.least < -margin:
        return "refused", (
            f"Not shown to be as good: {figures}; with 95 % confidence it may have lost "
            f"{-test.least:.1%}, and {margin:.1%} is allowed. More test photos tell more."
        )
    if test.difference > 0 and test.p < ALPHA:
        return "better", f"Better: {figures}."
    return "not_worse", (
        f"Not worse: {figures}; with 95 % confidence it lost no more than "
        f"{max(0.0, -test.least):.1%}, and {margin:.1%} is allowed."
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
        _share(model, audits) if audits else None,
    )
