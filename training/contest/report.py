"""The contest's report."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from serving.model import Prediction
from training.contest.answers import Answered, Photo
from training.contest.page import (
    MOST_PICTURES,
    Markup,
    document,
    element,
    join,
    section,
    table,
    thumbnail,
)
from training.contest.verdict import LOSS_MARGIN, Breed, Contest, Side
from training.figures.metrics import Proportion


def page(contest: Contest, champion: Answered, challenger: Answered) -> str:
    """The whole page. Text from labels, names and files is escaped."""
    tone = "bad" if contest.word == "refused" else "good"
    word = {"better": "Better", "not_worse": "Not worse", "refused": "Refused"}[contest.word]
    said = contest.reason.removeprefix(f"{word}: ")
    return document(
        "Champion and challenger",
        element("p", element("strong", f"{word}. "), said, cls=f"verdict {tone}"),
        _overall(contest),
        _classes(contest),
        _flips(contest, champion, challenger),
        _breeds(contest.breeds),
    )


def _overall(contest: Contest) -> Markup:
    def row(name: str, side: Side) -> list[str]:
        audit = _share(side.audit) if side.audit else "none"
        own = _share(side.on_train) if side.on_train else "not counted"
        confidence = f"{side.ece:.3f}", f"{side.log_loss:.3f}"
        return [f"{name} {side.version} ({side.name})", _share(side.top1), audit, own, *confidence]

    heads = (
        "model", "test photos right", "random sample right", "own training photos right",
        "calibration error", "log loss",
    )  # fmt: skip
    rows = [row("champion", contest.champion), row("challenger", contest.challenger)]
    test = contest.test
    return section(
        "Overall",
        table(heads, rows),
        element(
            "p",
            f"Both answered the same photos. {test.only_challenger} of {test.n} test photos were "
            f"right with the challenger alone, {test.only_champion} with the champion alone "
            f"(McNemar's exact test: p = {test.p:.3g}). Difference {test.difference:+.2%}; with "
            f"95 % confidence it is at least {test.least:+.2%}, and {-contest.margin:+.2%} is "
            "allowed. Intervals are Wilson's at 95 %. A model that is right on fewer of the photos "
            "that it was trained on than on test photos was told wrong labels. The log loss is "
            "how improbable the right breeds were to a model, on average; it may rise by "
            f"{LOSS_MARGIN}. The calibration error is the mean gap between how sure a model is "
            "and how often it is right; it decides nothing here.",
            cls="soft",
        ),
    )


def _classes(contest: Contest) -> Markup:
    parts = [
        element(
            "p",
            f"Compared: {len(contest.breeds)} breeds that both models know and that have photos.",
        )
    ]
    for words, found in (
        ("Only the challenger knows these; they are not part of the comparison.", contest.added),
        ("Only the champion knows these.", contest.lost),
    ):
        if found:
            rows = [[label, _share(share)] for label, share in found.items()]
            parts += [element("p", words), table(("breed", "right"), rows)]
    if contest.unknown:
        parts.append(element("p", f"{contest.unknown} photos show breeds that neither knows."))
    return section("What is compared", *parts)


def _flips(contest: Contest, champion: Answered, challenger: Answered) -> Markup:
    shown = _chosen(contest.flips, champion)
    lost = sum(champion.is_right(photo) for photo in contest.flips)
    words = (
        f"Right with one model and wrong with the other: {lost} lost, "
        f"{len(contest.flips) - lost} won."
    )
    if len(shown) < len(contest.flips):
        words += f" {len(shown)} of them are shown."
    cards = [_flip(photo, champion, challenger) for photo in shown]
    return section(
        "Photos whose answer flips", element("p", words), element("div", cards, cls="flips")
    )


def _chosen(flips: Sequence[Photo], champion: Answered) -> list[Photo]:
    """At most MOST_PICTURES, half of them lost ones where there are that many of both kinds."""
    lost = [photo for photo in flips if champion.is_right(photo)]
    won = [photo for photo in flips if not champion.is_right(photo)]
    half = MOST_PICTURES // 2
    of_lost = lost[: max(half, MOST_PICTURES - len(won))]
    return of_lost + won[: MOST_PICTURES - len(of_lost)]


def card(path: Path, title: str, *told: Markup) -> Markup:
    """A photo beside what is said of it."""
    source = _picture(path)
    picture = (
        element("img", src=source, alt=title, width=120, height=120)
        if source
        else element("div", cls="none")
    )
    words = element("div", element("p", element("strong", title)), *told)
    return element("figure", picture, words, cls="flip")


def _flip(photo: Photo, champion: Answered, challenger: Answered) -> Markup:
    lost = champion.is_right(photo)
    return card(
        photo.path,
        photo.label,
        element("p", "champion: ", _said(champion.predictions[photo.name], right=lost)),
        element("p", "challenger: ", _said(challenger.predictions[photo.name], right=not lost)),
        element("p", photo.name, cls="soft"),
    )


def _said(prediction: Prediction, *, right: bool) -> Markup:
    words = f"{prediction.label or 'no dog'} {prediction.confidence:.0%}"
    mark = "✓ " if right else "✗ "
    return element("span", mark + words, cls="good" if right else "bad")


def _picture(path: Path) -> str | None:
    """None where the photo can no longer be read."""
    try:
        return thumbnail(path.read_bytes())
    except OSError:
        return None


def _breeds(breeds: Iterable[Breed]) -> Markup:
    ordered = sorted(breeds, key=lambda one: (not one.is_worse, one.pairs.difference, one.label))

    def row(one: Breed) -> list[Markup | str]:
        label = element("span", one.label, cls="bad" if one.is_worse else None)
        return [
            join(label),
            str(one.pairs.n),
            _share(one.champion),
            _share(one.challenger),
            f"+{one.pairs.only_challenger} / -{one.pairs.only_champion}",
            f"{one.p:.2g}",
        ]

    heads = ("breed", "photos", "champion", "challenger", "won, lost", "p, for all breeds")
    return section(
        "By breed",
        element(
            "p",
            "Test photos and the random sample together, most lost first. p is corrected for the "
            "number of breeds (Holm). Clearly worse is a breed with p below 0.05, or one that lost "
            "more than half of its photos and at least four. A smaller loss in few photos cannot "
            "be told from chance.",
            cls="soft",
        ),
        table(heads, [row(one) for one in ordered]),
    )


def _share(share: Proportion) -> str:
    low, high = share.interval
    return f"{share.value:.1%} of {share.n} ({low:.1%} to {high:.1%})"
