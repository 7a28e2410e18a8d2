"""Figures of how far a model can be trusted, and of how it learns: sections of docs/figures.md."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import mean
from typing import Any

from benchmarks.markdown import paragraph, percent, table
from benchmarks.report import link, read


def sections() -> tuple[Iterator[str], ...]:
    """Each one's lines."""
    return _confidence(), _unknown(), _label_noise(), _reviewer()


def _confidence() -> Iterator[str]:
    measured = read("calibration")
    starter = measured["starter"]
    yield "## How sure, and how often right"
    yield ""
    yield paragraph(
        "Before and after the temperature that is fitted to the validation photos (`make benchmark "
        "NAME=calibration`). The calibration error is how far confidence and share of right "
        "answers are apart, in 15 spans of confidence. The last columns are the answers with at "
        "least 90 %: how many of them are right, and how many of all photos they are. The starter "
        "was trained on none of these splits by us, so train and test together are its test: "
        f"{starter['train and test']['n']:,} photos. Of the {starter['test']['n']} test photos "
        "alone, even a perfectly calibrated model would show an error of "
        f"{starter['test']['error_of_a_perfect_one']:.3f} by chance."
    )
    yield ""
    head = ("model", "photos", "calibration error", "Brier score", "log loss", "right", "of all")
    models = [(f"trained, seed {one['seed']}", one) for one in measured["trained"]]
    yield from table(head, _calibrated([*models, ("starter", starter)]))
    yield ""
    yield paragraph(_folds())
    yield ""
    yield from _thresholds(*starter["thresholds"])
    yield ""
    mixed = starter["mixed"]
    yield paragraph(
        f"Mixed precision, starter model, {mixed['n']:,} photos: int8 alone changes "
        f"{mixed['labels_changed_by_int8']} first labels, and for "
        f"{mixed['unknown_changed_by_int8']} whether the breed is known; with a second look at "
        f"{mixed['looked_again']} photos it is "
        f"{mixed['labels_changed']} and {mixed['unknown_changed']}."
    )


def _calibrated(models: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[Sequence[str]]:
    """A row for each model and each set of photos."""
    for name, one in models:
        for photos in ("valid", "test", "train and test"):
            if photos in one:
                found = one[photos]
                measures = ("calibration_error", "brier", "log_loss")
                yield (
                    name,
                    photos,
                    *(f"{found['before'][m]:.3f} to {found['after'][m]:.3f}" for m in measures),
                    *_at_90(found),
                )


def _at_90(found: Mapping[str, Any]) -> tuple[str, str]:
    """Of the answers with at least 90 %: how many are right, and how many of all they are."""
    at_90 = next(each for each in found["coverage"] if each["at_least"] == 0.9)
    return percent(at_90["right"]["value"], 1), percent(at_90["share"], 1)


def _folds() -> str:
    folds = read("calibration_folds")
    right, share = _at_90(folds)
    return (
        "The trained model by many photos (`make benchmark NAME=calibration_folds`): "
        f"{folds['n']:,} of them in {folds['folds']} folds, each answered by a model that was not "
        "trained on it. "
        f"The calibration error is {folds['before']['calibration_error']:.3f} without the "
        f"temperature and {folds['after']['calibration_error']:.3f} with it; of so many photos a "
        f"perfect one's is {folds['error_of_a_perfect_one']:.3f}. Of the answers with at least "
        f"90 % {right} are right, and they are {share} of all."
    )


def _thresholds(few: Mapping[str, Any], many: Mapping[str, Any]) -> Iterator[str]:
    yield paragraph(
        "Thresholds of confidence from which 97 % of the starter model's answers are right, fitted "
        "to some photos and tried on the others:"
    )
    yield ""
    yield from table(
        ("threshold", "fitted to", "tried on", "right above it", "answers above it"),
        (
            (way, f"{one['fitted']:,}", f"{one['held_out']:,}", percent(one[way]["right"], 1),
             percent(one[way]["share"], 1))
            for one in (few, many)
            for way in ("one for all", "one for each breed")
        ),
    )  # fmt: skip


def _unknown() -> Iterator[str]:
    measured = read("unknown_breeds")
    chosen, cost = measured["chosen"], measured["cost"]
    ordered = sorted(measured["ways"].items(), key=lambda item: -item[1]["mean"])
    yield "## A dog, but of no known breed"
    yield ""
    yield paragraph(
        f"{measured['left_out']} of 120 breeds are left out of the training, {measured['draws']} "
        f"times (`make benchmark NAME=unknown_breeds`). {measured['n']['known']} test photos of "
        f"the known breeds meet {measured['n']['unknown']:,} of the others. The area under the ROC "
        "curve is the chance that the stranger of two photos is called the stranger. The ImageNet "
        "head has learnt the left-out breeds under their names, which it would not have of a breed "
        "that is new: only *classes hidden* says what it is worth there."
    )
    yield ""
    yield from table(
        ("score", "mean", "spread (standard deviation)"),
        (
            (f"**{way}**" if way == chosen["way"] else way, f"{one['mean']:.3f}",
             f"{one['spread']:.3f}")
            for way, one in ordered
        ),
    )  # fmt: skip
    yield ""
    yield paragraph(
        f"Chosen: the {chosen['way']}, a photo is unknown when 98 % of the validation photos "
        f"have a larger one. It keeps {percent(chosen['known_kept'], 1)} of the known test photos "
        f"and finds {percent(chosen['unknown_found'], 1)} of the others. Of all known test photos "
        f"{percent(chosen['right_without'], 1)} are right without it, "
        f"{percent(chosen['right_with'], 1)} with it; of those that get a breed "
        f"{percent(chosen['right_of_the_answered'], 1)}. "
        f"{percent(chosen['unknown_with_a_breed_at_90'], 1)} of the photos of unknown breeds still "
        "get a known one with at least 90 %. It costs "
        f"{percent(cost['share'], 2)} of a pass (measured on {measured['machine']['name']})."
    )


def _label_noise() -> Iterator[str]:
    measured = read("label_noise")

    def rows() -> Iterator[Sequence[str]]:
        for name in dict.fromkeys(one["challenger"] for one in measured["contests"]):
            found = [one for one in measured["contests"] if one["challenger"] == name]
            refused = sum(one["verdict"] == "refused" for one in found)
            yield (
                name,
                _span([one["test_top1"] for one in found], percent),
                _span([one["on_train"] for one in found], percent),
                _span([one["log_loss"]["difference"] for one in found], "{:+.3f}".format),
                f"{refused} of {len(found)}",
            )

    yield "## Is a challenger refused whose labels are wrong?"
    yield ""
    yield paragraph(
        "The champion is trained on four fifths of the training photos, challengers on all, with "
        "labels that are shuffled among some photos (`make benchmark NAME=label_noise`). The test "
        f"labels stay. {len(measured['seeds'])} seeds, least to most. The rules are those of `make "
        "compare`."
    )
    yield ""
    head = ("labels", "test photos right", "own training photos right", "log loss against the "
            "champion's", "refused")  # fmt: skip
    yield from table(head, rows())
    right = [one for one in measured["contests"] if "shuffled" not in one["challenger"]]
    if refused := [one["reason"] for one in right if one["verdict"] == "refused"]:
        yield ""
        yield paragraph(
            f"Of {len(right)} with right labels {len(refused)} was refused, by a rule that has "
            f"nothing to do with labels: {' '.join(refused)}"
        )


def _span(values: Sequence[float], form: Callable[[float], str]) -> str:
    return f"{form(min(values))} to {form(max(values))}"


def _reviewer() -> Iterator[str]:
    measured = read("reviewer")
    runs, n = measured["runs"], measured["n"]

    def mean_of(way: str, at: int, what: str) -> float:
        return float(mean(run[way][at][what] for run in runs))

    def rows() -> Iterator[Sequence[str]]:
        for at, one in enumerate(runs[0]["queue"]):
            yield (
                str(one["reviewed"]),
                *(percent(mean_of(way, at, "test_top1"), 1) for way in ("queue", "random")),
                *(f"{mean_of(way, at, 'breeds'):.1f}" for way in ("queue", "random")),
                *(percent(mean_of(way, at, "top1_of_first_breeds"), 1)
                  for way in ("queue", "random")),
            )  # fmt: skip

    ahead = _span(
        [100 * (run["queue"][-1]["test_top1"] - run["random"][-1]["test_top1"]) for run in runs],
        "{:.1f}".format,
    )
    later = [one for run in runs for way in ("queue", "random") for one in run[way][1:]]
    refused = sum(one["verdict"] == "refused" for one in later)
    found, really = (sum(run["answered"][what] for run in runs) for what in ("found", "really"))
    yield "## What reviews are worth, and in which order"
    yield ""
    yield paragraph(
        f"A first model knows 100 breeds by {measured['first_photos_a_breed']} training photos "
        f"each. It answers {n['pool']:,} other photos, those of {n['unknown_breeds']} unknown "
        "breeds among them. A reviewer who is always right looks at 300, in the order of the "
        "page's queue or at random. After each hundred a version of the data set and a model are "
        f"made. The accuracy is that on {n['test']} test photos of all 120 breeds; a breed becomes "
        f"a class with {measured['new_class_at']} reviewed photos. {len(runs)} seeds, means (`make "
        "benchmark NAME=reviewer`)."
    )
    yield ""
    yield f"![Test accuracy and breeds known, against photos reviewed]({link('reviewer.svg')})"
    yield ""
    head = (
        "reviewed", "right, queue", "right, random", "breeds, queue", "breeds, random",
        "right of the first 100 breeds, queue", "the same, random",
    )  # fmt: skip
    yield from table(head, rows())
    yield ""
    yield paragraph(
        f"After 300 reviews the queue is ahead by {ahead} points. What is gained are new breeds: "
        "with eight photos each, more photos of the first 100 change little. The model marked "
        f"{percent(found / really)} of the photos of unknown breeds as such. Of {len(later)} "
        f"challengers {refused} were refused. It goes by the project's own code, from the "
        "package's answers over the queue and the data set to the verdict, but in memory."
    )
    yield ""
    yield from _through_a_stack()


def _through_a_stack() -> Iterator[str]:
    measured = read("reviewer_deployed")
    stack, run = measured["stack"], measured["run"]
    queue, chance = (run[way][-1]["test_top1"] for way in ("queue", "random"))
    yield paragraph(
        f"Once more with one seed, through the template's stack on the local cloud (`make "
        f"benchmark NAME=reviewer_deployed`): {stack['rows']:,} photos were uploaded and had their "
        f"rows after {stack['seconds']:.0f} s, on a machine that did other work as well. "
        f"{stack['same_label']:,} rows have the same first breed as in memory, and "
        f"{stack['same_unknown']:,} the same word on whether it is known; the function sends "
        "a copy that is encoded anew, and training features are rounded. After 300 reviews of "
        f"these rows {percent(queue, 1)} of the test photos are right with the queue, "
        f"{percent(chance, 1)} at random."
    )
