"""The contest as one HTML file with its pictures inside: it opens anywhere and asks for nothing."""

import base64
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from photo_reader import PhotoError, read
from serving.model import Prediction
from training.contest.answers import Answered, Photo
from training.contest.verdict import LOSS_MARGIN, Breed, Contest, Side
from training.figures.metrics import Proportion
from training.profiler.report.markup import Markup, element, join, table

# A file of photos that is opened in a browser and sent by mail: 120 thumbnails are about 1 MB.
MOST_FLIPS = 120
_SIDE_PX = 144
_STYLE = """
:root{color-scheme:light dark;--paper:#f5f7fa;--card:#fff;--ink:#17202e;--soft:#566377;
 --edge:#dfe5ec;--bad:#b42a18;--badbg:#fdebe7;--good:#0b6e4b;--goodbg:#e3f5ec}
@media(prefers-color-scheme:dark){:root{--paper:#0e131b;--card:#171e29;--ink:#e8edf5;
 --soft:#9aa8bb;--edge:#2a3443;--bad:#ff8a75;--badbg:#3b1d18;--good:#54d6a0;--goodbg:#12342a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
 font:15px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
main{max-width:1120px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:1.5rem;margin:0 0 8px}h2{font-size:1.15rem;margin:0 0 8px}p{margin:0 0 10px}
section{background:var(--card);border:1px solid var(--edge);border-radius:12px;padding:18px;
 margin:16px 0}
.soft{color:var(--soft)}.good{color:var(--good)}.bad{color:var(--bad)}
.verdict{background:var(--card);border-radius:12px;padding:14px 18px;font-size:1.05rem;
 overflow-wrap:anywhere}
.verdict.good{background:var(--goodbg)}.verdict.bad{background:var(--badbg)}
.scroll{overflow-x:auto;margin:0 0 10px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:4px 10px;border-bottom:1px solid var(--edge);white-space:nowrap}
th:first-child,td:first-child{text-align:left}
.flips{display:grid;grid-template-columns:repeat(auto-fill,minmax(330px,1fr));gap:12px}
.flip{display:flex;gap:12px;border:1px solid var(--edge);border-radius:10px;padding:10px;margin:0;
 min-width:0}
.flip img,.flip .none{width:120px;height:120px;object-fit:cover;border-radius:6px;flex:none;
 background:var(--edge)}
.flip div{min-width:0;overflow-wrap:anywhere}.flip p{margin:0 0 4px}
"""


def page(contest: Contest, champion: Answered, challenger: Answered) -> str:
    """The whole page. Text from labels, names and files is escaped."""
    tone = "bad" if contest.word == "refused" else "good"
    word = {"better": "Better", "not_worse": "Not worse", "refused": "Refused"}[contest.word]
    said = contest.reason.removeprefix(f"{word}: ")
    body = element(
        "main",
        element("h1", "Champion and challenger"),
        element("p", element("strong", f"{word}. "), said, cls=f"verdict {tone}"),
        _overall(contest),
        _classes(contest),
        _flips(contest, champion, challenger),
        _breeds(contest.breeds),
    )
    return document("Champion and challenger", body)


def document(title: str, body: Markup) -> str:
    """A page that opens anywhere and asks for nothing."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width,initial-scale=1"),
        element("title", title),
        element("style", Markup(_STYLE)),
    )
    html = element("html", head, element("body", body), lang="en")
    return f"<!doctype html>\n{html}\n"


def section(title: str, *children: Markup) -> Markup:
    return element("section", element("h2", title), *children)


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
    """At most MOST_FLIPS, half of them lost ones where there are that many of both kinds."""
    lost = [photo for photo in flips if champion.is_right(photo)]
    won = [photo for photo in flips if not champion.is_right(photo)]
    half = MOST_FLIPS // 2
    of_lost = lost[: max(half, MOST_FLIPS - len(won))]
    return of_lost + won[: MOST_FLIPS - len(of_lost)]


def card(path: Path, title: str, *told: Markup) -> Markup:
    """A photo beside what is said of it."""
    source = _thumbnail(path)
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


def _thumbnail(path: Path) -> str | None:
    """A data URI of a small JPEG; None where the photo can no longer be read."""
    try:
        image = read(path.read_bytes(), _SIDE_PX).picture
    except (PhotoError, OSError):
        return None
    image.thumbnail((2 * _SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=75)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


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
