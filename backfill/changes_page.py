"""The report of `make reclassify`: how many labels a new model changed, which, and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from backfill.changes import Change, Changes
from training.contest.page import Markup, document, element, section, table, thumbnail

_PAIRS = 30


def page(changes: Changes, picture: Callable[[str], bytes | None]) -> str:
    """The whole page. `picture` gives a thumbnail's JPEG by its key, None where there is none."""
    return document(
        "Answered again",
        element("p", element("strong", _headline(changes)), cls="verdict"),
        _overall(changes),
        _reviewed(changes),
        _pairs(changes),
        _photos(changes, picture),
    )


def _headline(changes: Changes) -> str:
    if not changes.answered:
        return "No row has been answered again."
    share = changes.changed / changes.answered
    return f"{changes.changed:,} of {changes.answered:,} labels changed ({share:.1%})."


def _overall(changes: Changes) -> Markup:
    rows = [
        (f"{before or 'none'} to {after or 'none'}", f"{count:,}")
        for (before, after), count in changes.models.most_common()
    ]
    count = max(1, changes.answered)
    words = (
        f"Mean confidence: {changes.confidence_before / count:.1%} before, "
        f"{changes.confidence / count:.1%} now."
    )
    return section("Models", table(("model before, and now", "rows"), rows), element("p", words))


def _reviewed(changes: Changes) -> Markup:
    reviewed = changes.reviews
    if not reviewed:
        words = "Nobody has reviewed any of these rows: whether the changes are right is not known."
        return section("What people said", element("p", words))
    won, lost = reviewed[(False, True)], reviewed[(True, False)]
    rows = [
        ("right before and now", f"{reviewed[(True, True)]:,}"),
        ("right now alone", f"{won:,}"),
        ("right before alone", f"{lost:,}"),
        ("wrong before and now", f"{reviewed[(False, False)]:,}"),
    ]
    return section(
        "What people said",
        table(("by their reviews, which all stand", "rows"), rows),
        element(
            "p",
            f"Of {reviewed.total():,} reviewed rows {won:,} became right and {lost:,} wrong. "
            "People review what the model was unsure of first: this is no accuracy.",
            cls="soft",
        ),
    )


def _pairs(changes: Changes) -> Markup:
    rows = [
        (f"{before} → {after}", f"{count:,}")
        for (before, after), count in changes.pairs.most_common(_PAIRS)
    ]
    left = changes.changed - sum(count for _, count in changes.pairs.most_common(_PAIRS))
    more = f"{left:,} more are of rarer pairs; changes.csv has every one." if left else ""
    return section(
        "Which labels", table(("before → now", "rows"), rows), element("p", more, cls="soft")
    )


def _photos(changes: Changes, picture: Callable[[str], bytes | None]) -> Markup:
    shown = changes.shown
    words = "Reviewed ones first, then those that the new model is surest of."
    if len(shown) < changes.changed:
        words = f"{len(shown)} of {changes.changed:,}: {words[0].lower()}{words[1:]}"
    cards = list(_cards(shown, picture))
    return section("Photos", element("p", words), element("div", cards, cls="flips"))


def _cards(shown: Iterable[Change], picture: Callable[[str], bytes | None]) -> Iterable[Markup]:
    for one in shown:
        content = picture(one.thumbnail) if one.thumbnail else None
        source = thumbnail(content) if content else None
        yield element(
            "figure",
            element("img", src=source, alt=one.after, width=120, height=120)
            if source
            else element("div", cls="none"),
            element(
                "div",
                element("p", element("strong", one.after), f" {one.confidence:.0%}"),
                element("p", f"before: {one.before} {one.confidence_before:.0%}"),
                _verdict(one),
                element("p", one.image_key, cls="soft"),
            ),
            cls="flip",
        )


def _verdict(one: Change) -> Markup:
    if not one.said:
        return Markup("")
    mark = "✓ " if one.right else "✗ "
    return element("p", f"{mark}a person says {one.said}", cls="good" if one.right else "bad")
