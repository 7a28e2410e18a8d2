"""The candidate's answers beside those that were served, as one HTML file with its pictures."""

from pathlib import Path

from training.contest.agreement import Agreement, Pair
from training.contest.page import MOST_PICTURES, Markup, document, element, section, table
from training.contest.report import card


def page(agreement: Agreement, photos: Path) -> str:
    """The whole page; `photos` is the folder of files by Served.file."""
    same = agreement.same
    verdict = "No photo was answered by both."
    if same:
        low, high = same.interval
        verdict = (
            f"The same answer for {same.hits} of {same.n} photos, {same.value:.1%} "
            f"({low:.1%} to {high:.1%})."
        )
    return document(
        "The candidate beside what was served",
        element("p", verdict, cls="verdict"),
        _figures(agreement),
        _changes(agreement.changes, photos),
        _by_answer(agreement),
    )


def _figures(agreement: Agreement) -> Markup:
    rows: list[tuple[str, ...]] = []
    if agreement.pairs:
        old, new = agreement.confidences()
        rows.append(("mean confidence", f"{old:.3f}", f"{new:.3f}"))
    if told := agreement.reviewed():
        rows.append(
            ("right, of photos that people reviewed", *(f"{o.hits} of {o.n}" for o in told))
        )
    versions = ", ".join(sorted({pair.served.model_version for pair in agreement.pairs}))
    words = "; ".join(f"{n} left out: {reason}" for reason, n in agreement.left_out.items())
    return section(
        "Figures",
        table(("what", f"served ({versions})", f"candidate ({agreement.version})"), rows),
        element(
            "p",
            "Photos are drawn from the newest that were answered. Which answer is right, only a "
            f"review tells: another answer may be the better one. {words}",
            cls="soft",
        ),
    )


def _changes(changes: list[Pair], photos: Path) -> Markup:
    words = f"{len(changes)} photos get another answer"
    if len(changes) > MOST_PICTURES:
        words += f"; the {MOST_PICTURES} that the candidate is surest of are shown"
    cards = [_card(pair, photos) for pair in changes[:MOST_PICTURES]]
    return section(
        "Answers that change", element("p", f"{words}."), element("div", *cards, cls="flips")
    )


def _card(pair: Pair, photos: Path) -> Markup:
    served = pair.served
    told = [
        element("p", f"served: {served.answer} {served.confidence:.0%}"),
        element("p", f"candidate: {pair.answer} {pair.confidence:.0%}"),
    ]
    if served.truth is not None:
        told.append(element("p", f"people say: {served.truth}"))
    title = f"{served.answer} to {pair.answer}"
    return card(photos / served.file, title, *told, element("p", served.key, cls="soft"))


def _by_answer(agreement: Agreement) -> Markup:
    rows = [
        (answer, str(share.n), str(share.hits), f"{share.value:.0%}")
        for answer, share in agreement.by_answer()
    ]
    return section("By what was served", table(("answer", "photos", "stay", "share"), rows))
