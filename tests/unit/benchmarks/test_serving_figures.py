"""What the README and the settings say of the endpoint's speed is what was measured."""

import json
import re
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from benchmarks.report import RESULTS

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text()
SETTINGS = (ROOT / "serving/settings.py").read_text()
MODELS: dict[str, Any] = json.loads((RESULTS / "serving.json").read_text())["models"]
LITE, RESNET = "efficientnet_lite0", "resnet50_v1"
TOOLKIT = "TorchServe + SageMaker toolkit"


def over_the_toolkit(model: str, mine: str) -> str:
    """Photos a second with 16 clients, as a multiple: the median of each round's."""
    contenders = MODELS[model]["contenders"]
    pairs = zip(contenders[mine]["rounds"], contenders[TOOLKIT]["rounds"], strict=True)
    rates = [[one["closed"]["16"]["images_s"] for one in pair] for pair in pairs]
    return f"{median(ours / theirs for ours, theirs in rates):.1f}"


def sentence(pattern: str, text: str = README) -> tuple[str, ...]:
    """The figures in the one place that says so."""
    (found,) = re.finditer(pattern, " ".join(text.split()))
    return found.groups()


@pytest.mark.parametrize(
    ("pattern", "mine"),
    [(r"load: (\S+) times the photos a second of TorchServe", "ours"),
     (r"`Precision=mixed` makes it (\S+) times", "ours, mixed")],
)  # fmt: skip
def test_figure_of_the_first_page_is_the_measured_one(pattern: str, mine: str) -> None:
    assert sentence(pattern) == (over_the_toolkit(LITE, mine),)


def test_figures_below_the_table_are_the_same() -> None:
    found = sentence(
        r"serves (\S+) times \(EfficientNet-Lite0\) and (\S+) times \(ResNet50\) the photos of "
        r"TorchServe with the toolkit in float32, and (\S+) and (\S+) times in mixed"
    )
    wanted = [over_the_toolkit(model, mine)
              for mine in ("ours", "ours, mixed") for model in (LITE, RESNET)]  # fmt: skip
    assert found == tuple(wanted)


def test_start_is_the_measured_one() -> None:
    assert sentence(r"a fifth of the memory, (\S+) s after its start") == (
        f"{MODELS[LITE]['contenders']['ours']['start_s']:.1f}",
    )


def test_changed_labels_of_mixed_precision_are_those_counted() -> None:
    (mixed,) = (one for one in MODELS[LITE]["answers"] if one["contender"] == "ours, mixed")
    changed = round((1 - mixed["first_label_agrees"]) * mixed["n"])
    words = {"one": 1, "two": 2, "three": 3, "four": 4}
    number, photos = sentence(r"with (\w+) labels? in (\d+) another")
    assert (words[number], int(photos)) == (changed, mixed["n"])
    assert sentence(r"\((\d+) of (\d+)\), and confidences", SETTINGS) == (
        str(changed), str(mixed["n"]),
    )  # fmt: skip
