"""How far two models agree on the same photos: one's answers are in rows, the other's are new.

Pure: rows and predictions in, numbers and words out.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from serving.model import Prediction
from training.figures.metrics import Proportion

NO_DOG, UNKNOWN = "no dog", "unknown breed"
SCHEMA = 1
# Changes that the terminal lists; the report and shadow.json have more.
LISTED = 10
_WORDS = {"NO_DOG": NO_DOG, "UNKNOWN_BREED": UNKNOWN}


@dataclass(frozen=True)
class Served:
    """A row: which photo, what was answered by which model, and what people said it shows."""

    key: str
    version_id: str | None
    etag: str | None
    classified_at: str
    model_version: str
    answer: str  # a breed, NO_DOG or UNKNOWN
    confidence: float
    truth: str | None

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Served":
        """Of an answered row, see schemas/row.json."""
        answer = row.get("breed") or _WORDS[row["status"]]
        return cls(
            row["image_key"], row.get("version_id"), row.get("etag"), row["classified_at"],
            row["model_version"], answer, float(row["confidence"]), _truth(row),
        )  # fmt: skip

    @property
    def file(self) -> str:
        """A name for it in a folder."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:32]


def _truth(row: Mapping[str, Any]) -> str | None:
    review = row.get("review") or {}
    if review.get("verdict") == "RIGHT":
        # Of the answer that the person saw: another model may have answered since.
        seen = review.get("answer", row)
        answer = seen.get("breed") or _WORDS[seen["status"]]
        return None if answer == UNKNOWN else answer
    if review.get("verdict") == "NO_DOG":
        return NO_DOG
    breed: str | None = review.get("breed")
    return breed


@dataclass(frozen=True)
class Pair:
    """One photo, answered twice."""

    served: Served
    answer: str
    confidence: float

    @property
    def agrees(self) -> bool:
        return self.answer == self.served.answer


@dataclass(frozen=True)
class Agreement:
    """All photos that both answered, and why others were not: reason -> how many."""

    version: str
    pairs: tuple[Pair, ...]
    left_out: dict[str, int]
    seconds: float

    @classmethod
    def of(
        cls, served: Sequence[Served], found: Sequence[Prediction | str], version: str,
        seconds: float,
    ) -> "Agreement":  # fmt: skip
        """`found`: in the same order a prediction, or why there is none."""
        both = list(zip(served, found, strict=True))
        pairs = [Pair(one, _said(new), new.confidence) for one, new in both
                 if not isinstance(new, str)]  # fmt: skip
        left_out = Counter(new for _, new in both if isinstance(new, str))
        return cls(version, tuple(pairs), dict(left_out.most_common()), seconds)

    @property
    def same(self) -> Proportion | None:
        """Photos with the same answer; None where not one was answered by both."""
        if not self.pairs:
            return None
        return Proportion(sum(pair.agrees for pair in self.pairs), len(self.pairs))

    @property
    def changes(self) -> list[Pair]:
        """Other answers, the surest new ones first."""
        changed = [pair for pair in self.pairs if not pair.agrees]
        return sorted(changed, key=lambda pair: (-pair.confidence, pair.served.key))

    def by_answer(self) -> list[tuple[str, Proportion]]:
        """What was served -> how much of it stays, what changes most first."""
        counts = Counter(pair.served.answer for pair in self.pairs)
        stay = Counter(pair.served.answer for pair in self.pairs if pair.agrees)
        found = [(answer, Proportion(stay[answer], n)) for answer, n in counts.items()]
        return sorted(found, key=lambda item: (item[1].hits - item[1].n, item[0]))

    def reviewed(self) -> tuple[Proportion, Proportion] | None:
        """Of the photos that people judged: how many each has right, the served and the new one."""
        known = [pair for pair in self.pairs if pair.served.truth is not None]
        if not known:
            return None
        old = sum(pair.served.answer == pair.served.truth for pair in known)
        new = sum(pair.answer == pair.served.truth for pair in known)
        return Proportion(old, len(known)), Proportion(new, len(known))

    def confidences(self) -> tuple[float, float]:
        """The mean one, served and new."""
        return (
            mean(pair.served.confidence for pair in self.pairs),
            mean(pair.confidence for pair in self.pairs),
        )

    def words(self) -> list[str]:
        """For a terminal."""
        lines = [f"left out, photos: {n}: {reason}" for reason, n in self.left_out.items()]
        if self.same is None:
            return [*lines, "no photo was answered by both"]
        low, high = self.same.interval
        old, new = self.confidences()
        versions = ", ".join(sorted({pair.served.model_version for pair in self.pairs}))
        lines += [
            f"served by {versions}; the candidate is {self.version}",
            f"same answer: {self.same.hits} of {self.same.n} photos, {self.same.value:.1%} "
            f"(95 % interval {low:.1%} to {high:.1%})",
            f"mean confidence: {old:.3f} served, {new:.3f} now",
        ]
        if told := self.reviewed():
            lines.append(
                f"of {told[0].n} photos that people reviewed {told[0].hits} were right as served, "
                f"{told[1].hits} are now"
            )
        lines += [
            f"{answer}: {share.hits} of {share.n} stay"
            for answer, share in self.by_answer()[:LISTED]
            if share.hits < share.n
        ]
        for pair in self.changes[:LISTED]:
            lines.append(
                f"{pair.served.key}: {pair.served.answer} {pair.served.confidence:.0%} -> "
                f"{pair.answer} {pair.confidence:.0%}"
            )
        if len(self.changes) > LISTED:
            lines.append(f"and {len(self.changes) - LISTED} more")
        per_photo = self.seconds / (len(self.pairs) + sum(self.left_out.values()))
        return [*lines, f"{self.seconds:.1f} s, {per_photo:.3f} s a photo, its download included"]

    def to_json(self) -> dict[str, Any]:
        """For shadow.json."""
        told = self.reviewed()
        old, new = self.confidences() if self.pairs else (None, None)
        return {
            "schema": SCHEMA,
            "model_version": self.version,
            "same": self.same.to_json() if self.same else None,
            "mean_confidence": {"served": old, "candidate": new},
            "reviewed": told and {"served": told[0].to_json(), "candidate": told[1].to_json()},
            "by_answer": {answer: share.to_json() for answer, share in self.by_answer()},
            "changes": [
                {
                    "key": pair.served.key,
                    "served": {"answer": pair.served.answer, "confidence": pair.served.confidence,
                               "model_version": pair.served.model_version},
                    "candidate": {"answer": pair.answer, "confidence": pair.confidence},
                    "reviewed_as": pair.served.truth,
                }
                for pair in self.changes
            ],
            "left_out": self.left_out,
            "seconds": round(self.seconds, 2),
        }  # fmt: skip


def _said(prediction: Prediction) -> str:
    """As the function's status and breed have it."""
    if prediction.label is None:
        return NO_DOG
    return UNKNOWN if prediction.unknown else prediction.label
