"""The page of all figures: `make figures` writes docs/figures.md from benchmarks/results.

Nothing is measured here. A figure that a page of words quotes is taken from here too:
tests/unit/pages holds them together.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from statistics import median
from textwrap import fill
from typing import Any

from benchmarks.report import RESULTS, ROOT

PAGE = ROOT / "docs" / "figures.md"
LITE, RESNET = "efficientnet_lite0", "resnet50_v1"
NAMES = {LITE: "EfficientNet-Lite0", RESNET: "ResNet50"}
OURS, MIXED, RAY = "ours", "ours, mixed", "ours on Ray Serve"
TOOLKIT = "TorchServe + SageMaker toolkit"
ENGINES = {
    "OpenVINO float32": "openvino float32",
    "ONNX Runtime float32": "onnxruntime float32",
    "AOTInductor": "AOTInductor",
    "PyTorch, channels-last": "torch channels-last",
    "OpenVINO bf16": "openvino bf16",
    "OpenVINO int8, not calibrated": "openvino int8, uncalibrated",
    "OpenVINO int8 by NNCF, calibrated on 300 photos": "openvino int8",
}
REFUSED = ("429", "503")
HOW = {"spaced": "as it is", "five_tries_360_s_apart": "five tries, 360 s apart"}


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE.relative_to(ROOT))
    return 0


@cache
def result(name: str) -> dict[str, Any]:
    """One benchmark's JSON."""
    loaded: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def contenders(model: str) -> dict[str, Any]:
    found: dict[str, Any] = result("serving")["models"][model]["contenders"]
    return found


def over_the_toolkit(model: str, contender: str) -> float:
    """Photos a second with 16 clients, as a multiple: the median of each round's."""
    ours, theirs = (contenders(model)[name]["rounds"] for name in (contender, TOOLKIT))
    ratio: float = median(
        one["closed"]["16"]["images_s"] / other["closed"]["16"]["images_s"]
        for one, other in zip(ours, theirs, strict=True)
    )
    return ratio


def answers(model: str, contender: str) -> dict[str, Any]:
    """How many of its first labels are PyTorch's, and how many are right."""
    all_of_them = result("serving")["models"][model]["answers"]
    return next(one for one in all_of_them if one["contender"] == contender)


def page() -> str:
    """The whole page."""
    parts = (
        _opening(), _path(), _outage(), _servers(), _flood(), _image(), _engines(), _training(),
        _threshold(), _mutants(),
    )  # fmt: skip
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _prose(words: str, indent: str = "") -> str:
    return fill(
        words, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"


def _opening() -> Iterator[str]:
    path, memory, shrink = result("pipeline"), result("batch_memory"), result("shrink")
    shrunk = [photos["ratio"] for photos in shrink["photos"].values()]
    twelve_hours = result("outage")["scenarios"]["no endpoint for 12 h"]["spaced"]
    recipe = result("usual_recipe")
    yield "# Figures"
    yield ""
    yield _prose(
        f"- Upload to row, the whole local path: {path['median_photos_a_second']:.0f} photos "
        "a second.",
        indent="  ",
    )
    yield _prose(
        f"- The endpoint answers {over_the_toolkit(LITE, OURS):.1f} times the photos of "
        f"TorchServe with SageMaker's toolkit, and {over_the_toolkit(LITE, MIXED):.1f} times "
        "in mixed precision (EfficientNet-Lite0, 16 clients, the same 2 CPUs).",
        indent="  ",
    )
    yield _prose(
        f"- It starts in {contenders(LITE)[OURS]['start_s']:.1f} s, and needs "
        f"{contenders(LITE)[OURS]['closed']['16']['memory_mb']} MB.",
        indent="  ",
    )
    yield _prose(
        f"- An endpoint that is gone for twelve hours costs {twelve_hours['dead']} dead "
        f"letters in {result('outage')['photos']} photos.",
        indent="  ",
    )
    yield _prose(
        f"- The function needs {memory['peak_mb']:.0f} MB for ten 12-megapixel JPEGs, and "
        f"shrinks one in {min(shrunk):.2f} to {max(shrunk):.2f} of the time that a full "
        "decode takes.",
        indent="  ",
    )
    yield _prose(
        f"- Eight tuning trials take {recipe['eight_trials_over_one_usual_trial']:.3f} of the CPU "
        "time of one trial of the usual recipe.",
        indent="  ",
    )
    yield ""
    machine = result("serving")["machine"]
    yield _prose(
        "Made by `make figures` from the JSON in "
        "[`benchmarks/results/`](../benchmarks/results). To measure again: `make benchmark` "
        "(all that is small), `make benchmark NAME=pipeline` (one), `make benchmark-serving` "
        "(80 minutes), `make benchmark-engines` (half an hour), `make mutants`. Set "
        "`DOGS_DATA` to a folder with a folder per breed."
    )
    yield ""
    yield _prose(
        f"**The machine** has {machine['cpus']} CPUs ({machine['architecture']}, AVX-512 with "
        f"bf16 and VNNI, no AMX), Python {machine['python']}, torch {machine['torch']} and "
        f"OpenVINO {machine['openvino']}. Rates move by a tenth within minutes there: compare "
        "within a table only."
    )
    yield ""
    yield _prose(
        "**What flatters.** The photos are 224 x 224 pixels and descend from ImageNet, which "
        "the backbones have seen. Accuracy on photos of your own will be lower. Clients and "
        "servers share the CPUs. Nothing was measured on AWS."
    )


def _path() -> Iterator[str]:
    path, imported, memory = result("pipeline"), result("function_import"), result("batch_memory")
    rows = [
        (
            f"upload to row, {path['photos']} {path['source']}s in a burst, median of "
            f"{len(path['photos_a_second'])}",
            f"{path['median_photos_a_second']:.0f} photos a second",
            "`pipeline`",
        ),
        *((f"... share of the function's time: {stage}", _percent(share), "")
          for stage, share in path["stage_share"].items()),
        (
            "import of the function, against boto3 and the same clients",
            f"{imported['ratio']:.2f} x",
            "`function_import`",
        ),
        *((f"shrinking a 12-megapixel JPEG ({kind}), against full decode and resize",
           f"{one['ratio']:.2f} x ({one['ours_median_ms']:.0f} ms)", "`shrink`")
          for kind, one in result("shrink")["photos"].items()),
        (
            f"peak memory of the function, ten 12-megapixel JPEGs (goal: {memory['goal_mb']} MB)",
            f"{memory['peak_mb']:.0f} MB",
            "`batch_memory`",
        ),
    ]  # fmt: skip
    yield "## The path of a photo"
    yield ""
    yield from _table(("what", "result", "`make benchmark NAME=`"), iter(rows))


def _outage() -> Iterator[str]:
    outage = result("outage")

    def rows() -> Iterator[Sequence[str]]:
        for scenario, ways in outage["scenarios"].items():
            for way, one in ways.items():
                told = "" if one["told_s"] is None else f"{one['told_s']:.0f}"
                hours = one["poison_dead_h"]
                dead = str(one["dead"]) + (f" (after {hours:.1f} h)" if hours else "")
                late = (f"{one['late_p50_s']:.0f}", f"{one['late_max_s']:.0f}")
                yield scenario, HOW[way], *late, dead, str(one["calls"]), told

    yield "## When the endpoint is gone"
    yield ""
    yield _prose(
        f"{outage['photos']} photos in each row, {outage['poison']} of them poison where it "
        "says so. The real function and a simulated clock (`make benchmark NAME=outage`). "
        "*Late* is the time from the end of the fault to the row. The second line of each "
        "pair is what a queue does that is left at its own visibility time-out."
    )
    yield ""
    yield from _table(
        (
            "what is wrong",
            "tries",
            "late, median s",
            "late, most s",
            "dead",
            "calls",
            "alarm after s",
        ),
        rows(),
    )


def _servers() -> Iterator[str]:
    both = [contenders(model) for model in NAMES]

    def pair(values: Iterable[float], digits: int = 0) -> str:
        return " / ".join(_figure(value, digits) for value in values)

    def rows() -> Iterator[Sequence[str]]:
        for name in both[0]:
            agree = [answers(model, name)["first_label_agrees"] for model in NAMES]
            closed = [one[name]["closed"] for one in both]
            yield (
                f"**{name}**" if name in (OURS, MIXED) else name,
                pair(one["16"]["images_s"] for one in closed),
                pair(one["1"]["p50_ms"] for one in closed),
                pair(one["16"]["cpu_ms_an_image"] for one in closed),
                pair(one["16"]["memory_mb"] for one in closed),
                pair((one[name]["start_s"] for one in both), 1),
                " / ".join(_percent(share, 1) for share in agree),
            )

    more = " and ".join(f"{over_the_toolkit(model, OURS):.1f} ({NAMES[model]})" for model in NAMES)
    mixed = " and ".join(f"{over_the_toolkit(model, MIXED):.1f}" for model in NAMES)
    limit = result("limit")["models"]
    more_ms = [median(one["lone_ms"] - one["bare_lone_ms"] for one in limit[m]) for m in NAMES]
    lone = " / ".join(f"{ms:.1f}" for ms in more_ms)
    yield "## The endpoint beside others"
    yield ""
    yield (
        "![Images a second by clients, and tail latency by rate](../benchmarks/results/serving.svg)"
    )
    yield ""
    yield _prose(
        "`make benchmark-serving` starts each server in turns, three rounds, with the same "
        "package, decoder, photos and clients, on the same CPUs. Figures are "
        "EfficientNet-Lite0 / ResNet50 (with the weights that Keras distributes; "
        "torchvision's ResNet50 takes 6 % more multiplications). Of the others, TorchServe "
        "and LitServe run PyTorch in a worker with one thread on each CPU, as advised for "
        "throughput. FastAPI has one process: with PyTorch, and, to tell engine from server, "
        "with our engine."
    )
    yield ""
    yield from _table(
        (
            "",
            "photos/s, 16 clients",
            "a lone request, ms",
            "CPU ms a photo",
            "MB",
            "start, s",
            "first label as PyTorch's",
        ),
        rows(),
    )
    yield ""
    yield _prose(
        f"In float32 ours serves {more} times the photos of TorchServe with the toolkit; in "
        f"mixed precision {mixed} times (medians of each round's ratio). Of the most that the "
        "engine can do without HTTP or decoding, ours reaches:"
    )
    yield ""
    yield from _table(
        (
            "",
            "16 clients, of bare passes of ten",
            "batches of ten, of the same",
            "16 clients, of bare passes on a CPU each",
            "batches of ten, of the same",
        ),
        ((NAMES[model], *(_percent(share) for share in _reached(model))) for model in NAMES),
    )
    yield ""
    yield _prose(
        f"A lone request takes {lone} ms longer than decoding and a pass. Ray's own cost is "
        "why the function sends batches."
    )
    yield ""
    yield _prose(
        "Mixed precision multiplies in int8, and looks once more in float32 where the two "
        "best breeds are close. Of the test photos of the breeds that the two models know:"
    )
    yield ""

    def agreement() -> Iterator[Sequence[str]]:
        for model in NAMES:
            plain, mixed = answers(model, OURS), answers(model, MIXED)
            yield (
                NAMES[model],
                f"{round(mixed['first_label_agrees'] * mixed['n'])} of {mixed['n']}",
                f"{_percent(plain['right'], 1)} / {_percent(mixed['right'], 1)}",
                f"{mixed['largest_difference']:.2f}",
            )

    yield from _table(
        (
            "",
            "keep PyTorch's first label",
            "right: float32 / mixed",
            "a probability moves by at most",
        ),
        agreement(),
    )
    yield ""
    yield _prose(
        "Photos that are surely no dog are not looked at again, and not answered with a "
        "breed. It needs no photo to calibrate on "
        "([`serving/layers.py`](../serving/layers.py)). How it does with your own model "
        "depends on how sure that is: run `make evaluate` with `Precision=mixed` and "
        "without. float32 is the default."
    )


def _reached(model: str) -> Sequence[float]:
    turns = result("limit")["models"][model]
    return [
        median(turn[ours] / turn[bare] for turn in turns)
        for bare in ("bare_passes_s", "bare_lanes_s")
        for ours in ("clients_s", "batches_s")
    ]


def _figure(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if digits or value >= 10 else f"{value:.1f}"


def _flood() -> Iterator[str]:
    flood = result("flood")

    def rows() -> Iterator[Sequence[str]]:
        for model, servers in flood["models"].items():
            for name, runs in servers.items():
                yield NAMES[model], name, *(_across(runs, one) for one in _FLOOD_COLUMNS)

    yield "## Flooded"
    yield ""
    yield _prose(
        f"{flood['seconds']:.0f} s of ten times what the server answers to 16 clients (in "
        "`make benchmark-serving`). Ours three times, medians and ranges; the others once. "
        "Refused is 429 or 503."
    )
    yield ""
    yield from _table(
        (
            "",
            "server",
            "answered a second",
            "half within ms",
            "99 % within ms",
            "... over a lone client's",
            "refused",
            "timed out or broken off",
        ),
        rows(),
    )
    yield ""
    yield (
        "`tests/e2e/test_nothing_lost.py` floods the deployed endpoint and finds every photo's row "
        "afterwards."
    )


def _across(runs: Sequence[Any], of: Any) -> str:
    values = [of(run) for run in runs]
    if isinstance(values[0], str):
        return str(values[0])
    text = _figure(median(values), 0)
    if len(values) > 1 and _figure(min(values), 0) != _figure(max(values), 0):
        text += f" ({_figure(min(values), 0)} to {_figure(max(values), 0)})"
    return text


def _share(run: Mapping[str, Any], is_meant: Callable[[str], bool]) -> str:
    outcomes = run["outcomes"]
    meant = sum(count for outcome, count in outcomes.items() if is_meant(outcome))
    return _percent(meant / sum(outcomes.values()))


_FLOOD_COLUMNS = (
    lambda run: run["answered_s"],
    lambda run: run["p50_ms"],
    lambda run: run["p99_ms"],
    lambda run: run["p99_ms"] / run["lone"]["p99_ms"],
    lambda run: _share(run, lambda outcome: outcome in REFUSED),
    lambda run: _share(run, lambda outcome: outcome not in ("200", *REFUSED)),
)


def _image() -> Iterator[str]:
    image = result("image")
    levels = list(next(iter(image["hosts"].values()))["levels"])

    def rows() -> Iterator[Sequence[str]]:
        for name, host in image["hosts"].items():
            peak = str(host.get("peak_mb", ""))
            rates = [f"{host['levels'][level]['images_s']:.0f}" for level in levels]
            yield name, f"{host['start_s']:.1f}", str(host["memory_mb"]), peak, *rates

    yield "## The slim image"
    yield ""
    yield _prose(
        "The steps of `serving/Dockerfile`, run into a folder and started in namespaces as "
        "SageMaker does: another user, a root that cannot be written to, no /dev/shm, no network "
        "but the loopback, a limit of memory. Beside it, Ray Serve in the order of AWS's "
        f"entrypoint, unconfined (`{image['command']}`; EfficientNet-Lite0, clients on the same "
        "CPUs). Photos a second by clients."
    )
    yield ""
    yield from _table(
        (
            "",
            "start, s",
            "MB",
            "most MB",
            *(f"{level} clients" if level.isdigit() else level for level in levels),
        ),
        rows(),
    )


def _engines() -> Iterator[str]:
    speed = {
        (one["backbone"], one["engine"]): one["ms_an_image"]["10"]
        for one in result("engines")["speed"]
        if one["threads"] == 2
    }
    agrees = {
        (one["backbone"], one["engine"]): one["agrees"] for one in result("engines")["answers"]
    }
    n = result("engines")["answers"][0]["n"]
    yield "## Engines"
    yield ""
    yield _prose(
        "A forward pass in batches of ten on 2 CPUs, ms an image, and how many first labels "
        f"stay PyTorch's (n = {n}). EfficientNet-Lite0 / ResNet50, `make benchmark-engines`; "
        "every engine, thread count and batch size is in "
        "[`engines.json`](../benchmarks/results/engines.json)."
    )
    yield ""
    yield from _table(
        ("engine", "ms an image", "first labels the same"),
        (
            (
                name,
                " / ".join(f"{speed[model, engine]:.1f}" for model in NAMES),
                " / ".join(_percent(agrees[model, engine], 1) for model in NAMES),
            )
            for name, engine in ENGINES.items()
        ),
    )


def _training() -> Iterator[str]:
    recipe, hook, loop = result("usual_recipe"), result("hook_overhead"), result("loop_resnet50")
    ratios = [case["ratio"]["recorder"] for case in hook["cases"]]
    yield "## Training"
    yield ""
    yield from _table(
        ("what", "result", "`make benchmark NAME=`"),
        iter([
            (
                f"the debugger's hook at every step, against none ({len(ratios)} networks; goal: "
                f"at most {hook['goal_ratio']})",
                f"{min(ratios):.2f} to {max(ratios):.2f} x",
                "`hook_overhead`",
            ),
            (
                "CPU time to the validation accuracy of the usual recipe, its over ours",
                f"{recipe['usual_over_ours_to_same_accuracy']:.0f} x",
                "`usual_recipe`",
            ),
            (
                "eight tuning trials of ours, against one trial of the usual recipe",
                f"{recipe['eight_trials_over_one_usual_trial']:.3f} x",
                "`usual_recipe`",
            ),
        ]),
    )  # fmt: skip
    yield ""
    yield _prose(
        "The usual recipe computes the frozen backbone anew in every epoch, in plain "
        "PyTorch. A tenth of an epoch is timed and scaled. It flatters ours that the head "
        "starts from a classifier that has seen these photos."
    )
    yield ""
    low, high = loop["test_top1_ci95"]
    best = loop["best_hyperparameters"]
    fired = [rule for rule, status in loop["rules"].items() if status == "IssuesFound"]
    yield _prose(
        f"**The course project's recipe** (`{loop['command']}`): {_percent(loop['test_top1'], 1)} "
        f"of {loop['n']} test photos are right in the rows of the deployed pipeline (95 % interval "
        f"{100 * low:.1f} to {_percent(high, 1)}; top five {_percent(loop['test_top5'], 1)}). The "
        f"job itself measured {_percent(loop['offline_top1'], 1)}. The search of "
        f"{loop['trials']} trials chose `lr` {float(best['lr']):.4f} and `batch-size` "
        f"{best['batch-size']}. It took {loop['total_seconds'] / 60:.0f} minutes. Rules with "
        f"issues: {', '.join(fired)}. The data: {loop['data']}."
    )


def _threshold() -> Iterator[str]:
    measured = result("dog_threshold")
    chosen = measured["chosen_threshold"]
    kinds = (
        "dogs, kept",
        "wild dogs, kept",
        "photos of other things, refused",
        "generated, refused",
    )
    counts = measured["n"]
    yield "## Dog or no dog"
    yield ""
    yield _prose(
        f"The starter model's threshold is {chosen} (`make benchmark NAME=dog_threshold`). "
        f"There are {counts['dogs']} dogs, {counts['wild dogs']} wild dogs, "
        f"{counts['photos of other things']} photos of other things and {counts['generated']} "
        f"generated pictures. What flatters: {measured['flattering']}."
    )
    yield ""
    wanted = (0.1, 0.2, chosen, 0.4, 0.5)
    yield from _table(
        ("threshold", *kinds),
        (
            (str(one["threshold"]), *(_percent(one[kind], 1) for kind in kinds))
            for one in measured["by_threshold"]
            if one["threshold"] in wanted
        ),
    )


def _mutants() -> Iterator[str]:
    measured = result("mutants")

    def rows() -> Iterator[Sequence[str]]:
        for module, one in measured["modules"].items():
            before = measured["before"].get(module)
            yield (
                f"`{module}`",
                f"{one['tried']} of {one['possible']}",
                _percent(before["noticed"]) + f" of {before['tried']}" if before else "",
                _percent(one["noticed"], 1),
                str(one["survived"]),
            )

    yield "## Would a test notice?"
    yield ""
    yield _prose(
        "`make mutants` makes small changes to the code, one at a time, and runs the "
        "module's tests. Each survivor has its reason in "
        "[`survivors.toml`](../tests/mutants/survivors.toml). *Before* are draws made when "
        "the tool was new."
    )
    yield ""
    yield from _table(("module", "changes tried", "noticed before", "noticed", "survivors"), rows())


if __name__ == "__main__":
    raise SystemExit(main())
