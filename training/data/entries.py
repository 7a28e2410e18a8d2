"""What dataset.json says of a photo, of what was left out, and of a conflict.

schemas/dataset.json describes them.
"""

from collections.abc import Iterable
from typing import Any

from training.data.reviews import Opinion, Word

Json = dict[str, Any]


def base_entry(name: str, sha256: str, label: str) -> Json:
    return {"name": name, "sha256": sha256, "label": label, "source": {"kind": "base"}}


def reviewed_entry(
    name: str, sha256: str, label: str, queue: str, first: str, opinion: Opinion
) -> Json:
    source = {
        "kind": "review",
        "queue": queue,
        "first": first,
        **_place(opinion),
        **_said(opinion.word),
    }
    return {"name": name, "sha256": sha256, "label": label, "source": source}


def _place(opinion: Opinion) -> Json:
    place = {"key": opinion.key, "sequencer": opinion.version}
    return place | ({"version_id": opinion.version_id} if opinion.version_id else {})


def _said(word: Word) -> Json:
    said = {"review_id": word.review_id, "verdict": word.verdict, "by": word.by, "at": word.at}
    return said | ({"breed": word.breed} if word.breed else {})


def left_out(
    opinion: Opinion, code: str, why: str, sha256: str | None = None, like: str | None = None
) -> Json:
    out = {**_place(opinion), **_said(opinion.word), "code": code, "why": why}
    out |= {"sha256": sha256} if sha256 else {}
    return out | ({"like": like} if like else {})


def conflict(opinion: Opinion, others: Iterable[Word], base: str | None = None) -> Json:
    """Who says what, where they differ; `counted` is what the data set goes by."""
    counted = {"breed": base} if base else _said(opinion.word)
    return {**_place(opinion), "counted": counted, "others": [_said(word) for word in others]}
