"""The page of all figures: `make figures` writes docs/figures.md from benchmarks/results.

Nothing is measured here. A figure that a page of words quotes is taken from here too:
tests/unit/pages holds them together.
"""

import json
from collections.abc import Iterator, Sequence

from benchmarks import drift_figures as drift
from benchmarks import trust_figures as trust
from benchmarks.backfill import figures as backfill
from benchmarks.markdown import bullets, paragraph, percent, table
from benchmarks.report import ROOT, elsewhere, read
from benchmarks.serving import figures as endpoint

PAGE = ROOT / "docs" / "figures.md"
HOW = {"spaced": "as it is", "five_tries_360_s_apart": "five tries, 360 s apart"}


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE.relative_to(ROOT))
    return 0


def page() -> str:
    """The whole page."""
    parts = (
        _opening(), _path(), _outage(), backfill.section(), _page_of_a_list(),
        *endpoint.sections(), _training(), *trust.sections(), drift.section(), _threshold(),
        _mutants(),
    )  # fmt: skip
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _opening() -> Iterator[str]:
    path, memory, shrink = read("pipeline"), read("batch_memory"), read("shrink")
    shrunk = [photos["ratio"] for photos in shrink["photos"].values()]
    twelve_hours = read("outage")["scenarios"]["no endpoint for 12 h"]["spaced"]
    recipe = read("usual_recipe")
    lite = endpoint.LITE
    ours = endpoint.contenders(lite)[endpoint.OURS]
    more, mixed = (endpoint.over_the_toolkit(lite, one) for one in (endpoint.OURS, endpoint.MIXED))
    yield "# Figures"
    yield ""
    yield from bullets(
        [
            f"Upload to row, the whole local path: {path['median_photos_a_second']:.0f} photos "
            "a second.",
            f"The endpoint answers {more:.1f} times the photos of TorchServe with SageMaker's "
            f"toolkit, and {mixed:.1f} times "
            "in mixed precision (EfficientNet-Lite0, 16 clients, the same 2 CPUs).",
            f"It starts in {ours['start_s']:.1f} s, and needs "
            f"{ours['closed']['16']['memory_mb']} MB.",
            f"An endpoint that is gone for twelve hours costs {twelve_hours['dead']} dead "
            f"letters in {read('outage')['photos']} photos.",
            f"The function needs {memory['peak_mb']:.0f} MB for ten 12-megapixel JPEGs, and "
            f"shrinks one in {min(shrunk):.2f} to {max(shrunk):.2f} of the time that a full "
            "decode takes.",
            f"Eight tuning trials take {recipe['eight_trials_over_one_usual_trial']:.3f} of the "
            "CPU time of one trial of the usual recipe.",
        ]
    )
    yield ""
    machine = read("serving")["machine"]
    yield paragraph(
        "Made by `make figures` from the JSON in "
        "[`benchmarks/results/`](../benchmarks/results), which keeps them by machine and "
        "version. To measure again: `make benchmark` "
        "(all that is small), `make benchmark NAME=pipeline` (one), `make benchmark-serving` "
        "(80 minutes), `make benchmark-engines` (half an hour), `make mutants`. Set "
        "`DOGS_DATA` to a folder with a folder per breed."
    )
    yield ""
    yield paragraph(
        f"**The machine** has {machine['cpus']} CPUs ({machine['architecture']}, AVX-512 with "
        f"bf16 and VNNI, no AMX), Python {machine['python']}, torch {machine['torch']} and "
        f"OpenVINO {machine['openvino']}. Rates move by a tenth within minutes there: compare "
        "within a table only."
    )
    yield ""
    yield paragraph(
        "**What flatters.** The photos are 224 x 224 pixels and descend from ImageNet, which "
        "the backbones have seen. Accuracy on photos of your own will be lower. Clients and "
        "servers share the CPUs. Nothing was measured on AWS."
    )


def _path() -> Iterator[str]:
    path, imported, memory = read("pipeline"), read("function_import"), read("batch_memory")
    windows, thumbnails = read("lone_photo")["windows"], read("thumbnails")
    rows = [
        (
            f"upload to row, {path['photos']} {path['source']}s in a burst, median of "
            f"{len(path['photos_a_second'])}",
            f"{path['median_photos_a_second']:.0f} photos a second",
            "`pipeline`",
        ),
        *((f"... share of the function's time: {stage}", percent(share), "")
          for stage, share in path["stage_share"].items()),
        *((f"a lone photo, upload to row, event source with a {window}",
           f"{one['median_lone_photo_s']:.2f} s", f"`lone_photo`{elsewhere('lone_photo')}")
          for window, one in windows.items()),
        *((f"a flood, event source with a {window}",
           f"{one['median_flood_photos_a_second']:.0f} photos a second", "")
          for window, one in windows.items()),
        *((f"with thumbnails, against without: {words}",
           f"{thumbnails[name]['median_ratio']:.2f} x", command)
          for words, name, command in (
            ("photos a second", "photos_a_second", f"`thumbnails`{elsewhere('thumbnails')}"),
            ("the function's CPU time", "function_cpu_ms_a_photo", ""),
            ("the local cloud's CPU time", "cloud_cpu_ms_a_photo", ""),
          )),
        (
            "with thumbnails, against without: photos a second where the endpoint is the limit, "
            f"as it takes {thumbnails['endpoint_limited']['endpoint_s']:g} s a request longer",
            f"{thumbnails['endpoint_limited']['photos_a_second']['median_ratio']:.2f} x",
            "",
        ),
        (
            "import of the function, against boto3 and the same clients",
            f"{imported['ratio']:.2f} x",
            "`function_import`",
        ),
        *((f"shrinking a 12-megapixel JPEG ({kind}), against full decode and resize",
           f"{one['ratio']:.2f} x ({one['ours_median_ms']:.0f} ms)", "`shrink`")
          for kind, one in read("shrink")["photos"].items()),
        (
            f"peak memory of the function, ten 12-megapixel JPEGs (goal: {memory['goal_mb']} MB)",
            f"{memory['peak_mb']:.0f} MB",
            "`batch_memory`",
        ),
    ]  # fmt: skip
    yield "## The path of a photo"
    yield ""
    yield from table(("what", "result", "`make benchmark NAME=`"), rows)


def _outage() -> Iterator[str]:
    outage = read("outage")

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
    yield paragraph(
        f"{outage['photos']} photos in each row, {outage['poison']} of them poison where it "
        "says so. The real function and a simulated clock (`make benchmark NAME=outage`). "
        "*Late* is the time from the end of the fault to the row. The second line of each "
        "pair is what a queue does that is left at its own visibility time-out."
    )
    yield ""
    yield from table(
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


def _page_of_a_list() -> Iterator[str]:
    measured = read("page_reads")
    lists = measured["lists"]
    most = max(one["most_reads"] for one in lists.values())

    def rows() -> Iterator[Sequence[str]]:
        for name, one in lists.items():
            last = one["at"]["1000"]["reads"]
            yield (
                name,
                str(one["at"]["1"]["reads"]),
                str(one["at"]["10"]["reads"]),
                f"{last}" if one["pages"] >= 1000 else f"{last} (page {one['pages']})",
                str(one["mean_rows"]),
                str(one["median_own_ms"]),
            )

    yield "## A page of a list"
    yield ""
    yield paragraph(
        f"Items that DynamoDB reads for a page of {measured['limit']} of the API, in a table of "
        f"{measured['rows']:,} rows (`make benchmark NAME=page_reads`): at most {most}, whatever "
        "is filtered and how. What an index does not filter is read and left out, so a page may "
        "show fewer rows and lead on. The milliseconds are the function's own, without DynamoDB's."
    )
    yield ""
    head = ("list, order", "page 1", "page 10", "page 1000 or last", "rows a page", "own ms")
    yield from table(head, rows())


def _training() -> Iterator[str]:
    recipe, hook, loop = read("usual_recipe"), read("hook_overhead"), read("loop_resnet50")
    ratios = [case["ratio"]["recorder"] for case in hook["cases"]]
    yield "## Training"
    yield ""
    yield from table(
        ("what", "result", "`make benchmark NAME=`"),
        [
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
        ],
    )
    yield ""
    yield paragraph(
        "The usual recipe computes the frozen backbone anew in every epoch, in plain "
        "PyTorch. A tenth of an epoch is timed and scaled. It flatters ours that the head "
        "starts from a classifier that has seen these photos."
    )
    yield ""
    low, high = loop["test_top1_ci95"]
    best = loop["best_hyperparameters"]
    fired = [rule for rule, status in loop["rules"].items() if status == "IssuesFound"]
    yield paragraph(
        f"**The course project's recipe** (`{loop['command']}`): {percent(loop['test_top1'], 1)} "
        f"of {loop['n']} test photos are right in the rows of the deployed pipeline (95 % interval "
        f"{100 * low:.1f} to {percent(high, 1)}; top five {percent(loop['test_top5'], 1)}). The "
        f"job itself measured {percent(loop['offline_top1'], 1)}. The search of "
        f"{loop['trials']} trials chose `lr` {float(best['lr']):.4f} and `batch-size` "
        f"{best['batch-size']}. It took {loop['total_seconds'] / 60:.0f} minutes. Rules with "
        f"issues: {', '.join(fired)}. The data: {loop['data']}."
    )
    yield ""
    yield from _hosts()


def _hosts() -> Iterator[str]:
    measured = read("hosts")
    alone, resumed, grown = measured["runs"][0], measured["resumed"], measured["one_percent_new"]
    yield paragraph(
        f"**Several hosts** (`make benchmark NAME=hosts`): one job of {measured['photos']} photos "
        "of few dog breeds, which ImageNet knows, "
        f"and {len(alone['losses'])} epochs through the local cloud, torchrun on every host. All "
        "hosts share this machine's CPUs, so the seconds show what more processes cost, and "
        "nothing of what more machines gain. The last column but one is the largest difference of "
        "any epoch's training or validation loss to that of one host."
    )
    yield ""
    yield from table(
        ("hosts", "pass over the photos", "epochs", "largest difference of a loss", "test top-1"),
        [
            (
                str(run["hosts"]),
                f"{run['features_s']} s",
                f"{run['epochs_s']:.1f} s",
                "-" if run is alone else f"{run['largest_difference']:.0e} of it",
                percent(run["test_top1"], 1),
            )
            for run in measured["runs"]
        ],
    )
    yield ""
    if measured["load_before"] > 1:
        yield paragraph(
            "Other work ran on the machine meanwhile: the seconds are not to be quoted."
        )
        yield ""
    same = "the very same" if resumed["same_losses"] else "other"
    yield paragraph(
        f"One of two hosts killed in mid-training: the job ends as {resumed['killed_job']}, the "
        f"next one goes on in epoch {resumed['went_on_in_epoch']} and has {same} losses in every "
        f"epoch. With {grown['before']['computed']} photos known, "
        f"{grown['after']['computed']} new ones are computed and {grown['after']['reused']} "
        "features are taken over, on two hosts."
    )


def _threshold() -> Iterator[str]:
    measured = read("dog_threshold")
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
    yield paragraph(
        f"The starter model's threshold is {chosen} (`make benchmark NAME=dog_threshold`). "
        f"There are {counts['dogs']} dogs, {counts['wild dogs']} wild dogs, "
        f"{counts['photos of other things']} photos of other things and {counts['generated']} "
        f"generated pictures. What flatters: {measured['flattering']}."
    )
    yield ""
    wanted = (0.1, 0.2, chosen, 0.4, 0.5)
    yield from table(
        ("threshold", *kinds),
        (
            (str(one["threshold"]), *(percent(one[kind], 1) for kind in kinds))
            for one in measured["by_threshold"]
            if one["threshold"] in wanted
        ),
    )


def _mutants() -> Iterator[str]:
    measured = json.loads((ROOT / "tests" / "mutants" / "results.json").read_text(encoding="utf-8"))

    def rows() -> Iterator[Sequence[str]]:
        for module, one in measured["modules"].items():
            before = measured["before"].get(module)
            yield (
                f"`{module}`",
                f"{one['tried']} of {one['possible']}",
                percent(before["noticed"]) + f" of {before['tried']}" if before else "",
                percent(one["noticed"], 1),
                str(one["survived"]),
            )

    yield "## Would a test notice?"
    yield ""
    yield paragraph(
        "`make mutants` makes small changes to the code, one at a time, and runs the "
        "module's tests. Each survivor has its reason in "
        "[`survivors.toml`](../tests/mutants/survivors.toml). *Before* are draws made when "
        "the tool was new."
    )
    yield ""
    yield from table(("module", "changes tried", "noticed before", "noticed", "survivors"), rows())


if __name__ == "__main__":
    raise SystemExit(main())
