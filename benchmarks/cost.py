"""What an answer costs on AWS: `make benchmark NAME=cost` prints the page and writes cost.md.

Computed, not measured on AWS: from the images a second of `make benchmark-serving` on this machine
(serving.json), the instance's vCPUs and its list price. Every assumption is on the page.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from benchmarks.report import ROOT, read

PAGE = ROOT / "benchmarks" / "cost.md"
HOST = "ours on Ray Serve"  # as AWS's image runs it, on instances
SLIM = "ours"  # by itself, as a slim image does: the only one that starts as a serverless endpoint
HOURS_A_MONTH = 730
# A vCPU of these instances is half a core of an Intel Xeon, the machine's CPU a whole one. Both
# halves together multiply 1.5 times what the measured core does: two 512-bit units at about 2.9 GHz
# against one at about 3.6 (its two of 256 bits).
VCPU = 0.75


@dataclass(frozen=True)
class Instance:
    """One instance type: vCPUs, USD an hour for real-time inference in us-east-1, who has VNNI.

    Of ml.c5 and ml.m5 only some have: AWS gives what it has of two generations.
    """

    name: str
    vcpus: int
    usd_an_hour: float
    int8: bool = False


SMALLEST = Instance("ml.c5.large", 2, 0.102)
DEFAULT = Instance("ml.m5.2xlarge", 8, 0.461)  # the template's
INSTANCES = (
    SMALLEST,
    Instance("ml.c5.xlarge", 4, 0.204),
    Instance("ml.c6i.xlarge", 4, 0.204, int8=True),
    Instance("ml.c7i.large", 2, 0.1071, int8=True),
    Instance("ml.c7i.xlarge", 4, 0.2142, int8=True),
    Instance("ml.m5.large", 2, 0.115),
    DEFAULT,
)
# Serverless inference: USD a GB and second, USD a GB sent in or out, and how it is set up.
USD_A_GB_S, USD_A_GB_DATA = 0.0000200, 0.016
MEMORY_GB, SERVERLESS_CPUS = 3, 1.5
KB_A_PHOTO = 50  # as the function sends it, shrunk and in base64


@dataclass(frozen=True)
class Speed:
    """One backbone as measured here: images a second of one CPU on either host, seconds of a lone
    request without Ray.
    """

    backbone: str
    images_s_a_cpu: float
    mixed_gain: float
    slim_images_s_a_cpu: float
    slim_lone_s: float

    def on(self, instance: Instance) -> float:
        """Images a second of a whole instance, in float32."""
        return self.images_s_a_cpu * VCPU * instance.vcpus


def main() -> int:
    """Compute, print, and write the page."""
    measured = read("serving")
    cpus = measured["machine"]["cpus"]
    speeds = [speed(name, model["contenders"], cpus) for name, model in measured["models"].items()]
    text = "\n".join(page(speeds, cpus)) + "\n"
    Console().print(Markdown(text))
    PAGE.write_text(text, encoding="utf-8")
    return 0


def speed(backbone: str, contenders: Mapping[str, Any], cpus: int) -> Speed:
    """What the benchmark says about a backbone."""
    host, slim, mixed = (contenders[name] for name in (HOST, SLIM, f"{SLIM}, mixed"))
    return Speed(
        backbone,
        host["ten"]["images_s"] / cpus,
        mixed["ten"]["images_s"] / slim["ten"]["images_s"],
        slim["ten"]["images_s"] / cpus,
        slim["closed"]["1"]["p50_ms"] / 1000,
    )


def page(speeds: Sequence[Speed], cpus: int) -> Iterator[str]:
    """The page, line by line."""
    yield "# What an answer costs"
    yield ""
    yield (
        "Made by `make benchmark NAME=cost` from `serving.json`. **Nothing here was "
        "measured on AWS**, and prices are list prices of us-east-1 from memory; check with the "
        "[AWS Pricing Calculator](https://calculator.aws). The endpoint only: the rest is in the "
        "[guide](../docs/deploy.md#what-it-costs)."
    )
    yield from assumptions(speeds, cpus)
    yield from instances(speeds)
    yield from serverless(speeds, cpus)


def assumptions(speeds: Sequence[Speed], cpus: int) -> Iterator[str]:
    """What the figures rest on."""
    yield ""
    yield "## Assumptions"
    yield ""
    for one in speeds:
        yield (
            f"- Measured on {cpus} CPUs of one machine: {one.backbone} answers "
            f"{one.images_s_a_cpu:.0f} images a second and CPU in float32, under Ray Serve as in "
            "AWS's image, in batches of ten, the client on the same CPUs; in a slim image without "
            f"Ray {one.slim_images_s_a_cpu:.0f}, where a lone request takes "
            f"{1000 * one.slim_lone_s:.0f} ms."
        )
    yield (
        f"- A vCPU of these instances (half a core of an Intel Xeon with AVX-512) does {VCPU} of "
        "that: computed from multiply units and clock rates, with 30 % either way possible. "
        "`make benchmark-serving` on the instance itself replaces it."
    )
    yield "- Throughput grows with the vCPUs: every lane has a CPU of its own and shares nothing."
    gains = " and ".join(f"{one.mixed_gain:.2f}" for one in speeds)
    yield (
        f"- `Precision=mixed` multiplies it by {gains} where the CPU has VNNI, as measured here "
        "(more where fewer photos are looked at again). AMX, which ml.c7i has and this machine has "
        "not, may do more. ml.c5 and ml.m5 are of several generations; those without VNNI answer "
        "in float32 alone."
    )
    yield (
        f"- Serverless, with the slim image: {MEMORY_GB} GB, the most that a new account may have, "
        f"come with {SERVERLESS_CPUS} such vCPUs (AWS does not say), {USD_A_GB_S:.7f} USD a GB and "
        f"second, {USD_A_GB_DATA} USD a GB of data, {KB_A_PHOTO} KB a photo. Starts are not billed."
    )


def instances(speeds: Sequence[Speed]) -> Iterator[str]:
    """Images a second, and for a dollar."""
    for one in speeds:
        yield ""
        yield f"## {one.backbone} on instances, always on"
        yield ""
        yield (
            "| instance | vCPUs | USD a month | images/s | images/s for a USD an hour "
            "| USD a million images, at full load |"
        )
        yield "|---|---|---|---|---|---|"
        for instance in INSTANCES:
            yield row(instance, instance.name, one.on(instance))
            if instance.int8:
                yield row(instance, f"{instance.name}, mixed", one.on(instance) * one.mixed_gain)


def row(instance: Instance, name: str, images_s: float) -> str:
    """One line of that table."""
    million = instance.usd_an_hour / 3600 / images_s * 1e6
    return (
        f"| {name} | {instance.vcpus} | {instance.usd_an_hour * HOURS_A_MONTH:.0f} | "
        f"{images_s:.0f} | {images_s / instance.usd_an_hour:.0f} | {million:.2f} |"
    )


def serverless(speeds: Sequence[Speed], cpus: int) -> Iterator[str]:
    """When paying by the request is cheaper."""
    yield ""
    yield "## When serverless is cheaper"
    yield ""
    yield (
        "Serverless costs nothing while nothing comes. It is cheaper than an instance below this "
        "many photos a month:"
    )
    yield ""
    yield (
        "| backbone, and how photos come | USD a million photos | "
        + " | ".join(f"instead of {one.name}" for one in (SMALLEST, DEFAULT))
        + " |"
    )
    yield "|---|---|---|---|"
    for one in speeds:
        ways = {
            "in bursts, ten a request": 1 / (one.slim_images_s_a_cpu * VCPU * SERVERLESS_CPUS),
            "one by one": one.slim_lone_s / VCPU * cpus / SERVERLESS_CPUS,
        }
        for way, seconds in ways.items():
            usd = seconds * MEMORY_GB * USD_A_GB_S + KB_A_PHOTO / 1e6 * USD_A_GB_DATA
            even = [
                instance.usd_an_hour * HOURS_A_MONTH / usd / 1e6 for instance in (SMALLEST, DEFAULT)
            ]
            counts = " | ".join(f"{millions:.1f} million" for millions in even)
            yield f"| {one.backbone}, {way} | {1e6 * usd:.2f} | {counts} |"
    yield ""
    yield (
        "What it costs instead is time: after a pause a serverless endpoint starts anew. It "
        "fetches the image and the package; ours then answers within a second or two, and AWS "
        "gives up after four minutes. The function waits for it, the queue keeps the photos, and "
        "none is lost, but rows after a pause can be minutes late. (AWS's Ray image cannot be "
        "expected to start there.) So: serverless for a trickle and to try, the smallest instance "
        f"for answers within a second at any time, {DEFAULT.name} (the template's default) where "
        "thousands come at once and one machine must answer them in seconds."
    )


if __name__ == "__main__":
    sys.exit(main())
