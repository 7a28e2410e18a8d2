"""The figures of the endpoint, beside other servers, engines and hosts, as sections of a page."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.markdown import paragraph, percent, table
from benchmarks.report import link, read

LITE, RESNET = "efficientnet_lite0", "resnet50_v1"
NAMES = {LITE: "EfficientNet-Lite0", RESNET: "ResNet50"}
OURS, MIXED = "ours", "ours, mixed"
TOOLKIT = "TorchServe + SageMaker toolkit"
REFUSED = ("429", "503")
ENGINES = {
    "OpenVINO float32": "openvino float32",
    "ONNX Runtime float32": "onnxruntime float32",
    "AOTInductor": "AOTInductor",
    "PyTorch, channels-last": "torch channels-last",
    "OpenVINO bf16": "openvino bf16",
    "OpenVINO int8, not calibrated": "openvino int8, uncalibrated",
    "OpenVINO int8 by NNCF, calibrated on 300 photos": "openvino int8",
}


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
    all_of_them = read("serving")["models"][model]["answers"]
    return next(one for one in all_of_them if one["contender"] == contender)


def contenders(model: str) -> dict[str, Any]:
    found: dict[str, Any] = read("serving")["models"][model]["contenders"]
    return found


def sections() -> Iterator[Iterator[str]]:
    """Of each section its lines."""
    yield _servers()
    yield _ratios()
    yield _mixed_precision()
    yield _flood()
    yield _image()
    yield _engines()


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
                " / ".join(percent(share, 1) for share in agree),
            )

    yield "## The endpoint beside others"
    yield ""
    yield (f"![Images a second by clients, and tail latency by rate]({link('serving.svg')})")
    yield ""
    yield paragraph(
        "`make benchmark-serving` starts each server in turns, three rounds, with the same "
        "package, decoder, photos and clients, on the same CPUs. Figures are "
        "EfficientNet-Lite0 / ResNet50 (with the weights that Keras distributes; "
        "torchvision's ResNet50 takes 6 % more multiplications). Of the others, TorchServe "
        "and LitServe run PyTorch in a worker with one thread on each CPU, as advised for "
        "throughput. FastAPI has one process: with PyTorch, and, to tell engine from server, "
        "with our engine."
    )
    yield ""
    yield from table(
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


def _ratios() -> Iterator[str]:
    more = " and ".join(f"{over_the_toolkit(model, OURS):.1f} ({NAMES[model]})" for model in NAMES)
    mixed = " and ".join(f"{over_the_toolkit(model, MIXED):.1f}" for model in NAMES)
    limit = read("limit")["models"]
    more_ms = [median(one["lone_ms"] - one["bare_lone_ms"] for one in limit[m]) for m in NAMES]
    lone = " / ".join(f"{ms:.1f}" for ms in more_ms)
    yield paragraph(
        f"In float32 ours serves {more} times the photos of TorchServe with the toolkit; in "
        f"mixed precision {mixed} times (medians of each round's ratio). Of the most that the "
        "engine can do without HTTP or decoding, ours reaches:"
    )
    yield ""
    yield from table(
        (
            "",
            "16 clients, of bare passes of ten",
            "batches of ten, of the same",
            "16 clients, of bare passes on a CPU each",
            "batches of ten, of the same",
        ),
        ((NAMES[model], *(percent(share) for share in _reached(model))) for model in NAMES),
    )
    yield ""
    yield paragraph(
        f"A lone request takes {lone} ms longer than decoding and a pass. Ray's own cost is "
        "why the function sends batches."
    )


def _reached(model: str) -> Sequence[float]:
    turns = read("limit")["models"][model]
    return [
        median(turn[ours] / turn[bare] for turn in turns)
        for bare in ("bare_passes_s", "bare_lanes_s")
        for ours in ("clients_s", "batches_s")
    ]


def _mixed_precision() -> Iterator[str]:
    def agreement() -> Iterator[Sequence[str]]:
        for model in NAMES:
            plain, mixed = answers(model, OURS), answers(model, MIXED)
            yield (
                NAMES[model],
                f"{round(mixed['first_label_agrees'] * mixed['n'])} of {mixed['n']}",
                f"{percent(plain['right'], 1)} / {percent(mixed['right'], 1)}",
                f"{mixed['largest_difference']:.2f}",
            )

    yield paragraph(
        "Mixed precision multiplies in int8, and looks once more in float32 where the two "
        "best breeds are close. Of the test photos of the breeds that the two models know:"
    )
    yield ""

    yield from table(
        (
            "",
            "keep PyTorch's first label",
            "right: float32 / mixed",
            "a probability moves by at most",
        ),
        agreement(),
    )
    yield ""
    yield paragraph(
        "Photos that are surely no dog are not looked at again, and not answered with a "
        "breed. It needs no photo to calibrate on "
        "([`serving/layers.py`](../serving/layers.py)). How it does with your own model "
        "depends on how sure that is: run `make evaluate` with `Precision=mixed` and "
        "without. float32 is the default."
    )


def _figure(value: float, digits: int = 0) -> str:
    return f"{value:.{digits}f}" if digits or value >= 10 else f"{value:.1f}"


def _flood() -> Iterator[str]:
    flood = read("flood")

    def rows() -> Iterator[Sequence[str]]:
        for model, servers in flood["models"].items():
            for name, runs in servers.items():
                yield (
                    NAMES[model],
                    name,
                    *(_across(map(of, runs), show) for of, show in _FLOOD_COLUMNS),
                )

    yield "## Flooded"
    yield ""
    yield paragraph(
        f"{flood['seconds']:.0f} s of ten times what the server answers to 16 clients (in "
        "`make benchmark-serving`). Ours three times, medians and ranges; the others once. "
        "Refused is 429 or 503."
    )
    yield ""
    yield from table(
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


def _across(values: Iterable[float], show: Callable[[float], str]) -> str:
    """The median of some runs, and their range where there is one to see."""
    in_order = sorted(values)
    middle, least, most = map(show, (median(in_order), in_order[0], in_order[-1]))
    return middle if least == most else f"{middle} ({least} to {most})"


def _share(run: Mapping[str, Any], is_meant: Callable[[str], bool]) -> float:
    outcomes = run["outcomes"]
    meant: int = sum(count for outcome, count in outcomes.items() if is_meant(outcome))
    total: int = sum(outcomes.values())
    return meant / total


# What a column shows of one run, and how.
_FLOOD_COLUMNS: tuple[tuple[Callable[[Any], float], Callable[[float], str]], ...] = (
    (lambda run: run["answered_s"], _figure),
    (lambda run: run["p50_ms"], _figure),
    (lambda run: run["p99_ms"], _figure),
    (lambda run: run["p99_ms"] / run["lone"]["p99_ms"], _figure),
    (lambda run: _share(run, lambda outcome: outcome in REFUSED), percent),
    (lambda run: _share(run, lambda outcome: outcome not in ("200", *REFUSED)), percent),
)


def _image() -> Iterator[str]:
    image = read("image")
    levels = list(next(iter(image["hosts"].values()))["levels"])

    def rows() -> Iterator[Sequence[str]]:
        for name, host in image["hosts"].items():
            peak = str(host.get("peak_mb", ""))
            rates = [f"{host['levels'][level]['images_s']:.0f}" for level in levels]
            yield name, f"{host['start_s']:.1f}", str(host["memory_mb"]), peak, *rates

    yield "## The slim image"
    yield ""
    yield paragraph(
        "The steps of `serving/Dockerfile`, run into a folder and started in namespaces as "
        "SageMaker does: another user, a root that cannot be written to, no /dev/shm, no network "
        "but the loopback, a limit of memory. Beside it, Ray Serve in the order of AWS's "
        f"entrypoint, unconfined (`{image['command']}`; EfficientNet-Lite0, clients on the same "
        "CPUs). Photos a second by clients."
    )
    yield ""
    yield from table(
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
        for one in read("engines")["speed"]
        if one["threads"] == 2
    }
    agrees = {(one["backbone"], one["engine"]): one["agrees"] for one in read("engines")["answers"]}
    n = read("engines")["answers"][0]["n"]
    yield "## Engines"
    yield ""
    yield paragraph(
        "A forward pass in batches of ten on 2 CPUs, ms an image, and how many first labels "
        f"stay PyTorch's (n = {n}). EfficientNet-Lite0 / ResNet50, `make benchmark-engines`; "
        "every engine, thread count and batch size is in "
        f"[`engines.json`]({link('engines.json')})."
    )
    yield ""
    yield from table(
        ("engine", "ms an image", "first labels the same"),
        (
            (
                name,
                " / ".join(f"{speed[model, engine]:.1f}" for model in NAMES),
                " / ".join(percent(agrees[model, engine], 1) for model in NAMES),
            )
            for name, engine in ENGINES.items()
        ),
    )
