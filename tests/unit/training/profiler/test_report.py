"""The report: complete, self-contained, escaped, and fit for a phone."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.unit.training.profiler.recordings import START_S, recording, samples, steps
from training.profiler.__main__ import main
from training.profiler.analysis import analyse
from training.profiler.clock import Clock
from training.profiler.facts import JobFacts, Lever
from training.profiler.operators import Operator
from training.profiler.recording import Recording, Span
from training.profiler.report import render, write_report
from training.profiler.report.charts import histogram, line_plot
from training.profiler.report.markup import element
from training.profiler.report.units import duration, size
from training.profiler.timings import Timings

RULES = {
    "BatchSize",
    "CPUBottleneck",
    "Dataloader",
    "GPUMemoryIncrease",
    "IOBottleneck",
    "LoadBalancing",
    "LowGPUUtilization",
    "MaxInitializationTime",
    "MemoryIncrease",
    "OverallFrameworkMetrics",
    "OverallSystemUsage",
    "StepOutlier",
}
HEADINGS = ["Where the time went", "Rules", "The machine", "Steps", "Operators", "Details"]
NASTY = 'Ünï \u202e<script>alert("1")</script> & ' + "long" * 60


def full(name: str = "job", failure: str | None = None) -> Recording:
    """A recording with something for every section."""
    train = steps(3000, slow={100 + i * 50: 0.05 for i in range(20)})
    return recording(
        samples=samples(80, cpu=(99.0, 5.0)),
        spans=[Span("features", START_S + 1, START_S + 9)],
        steps=[*train, *steps(50, start_s=train[-1].end_s, mode="eval")],
        job=JobFacts(name, {"batch_size": 32, "note": name}, failure),
        operators=(Operator("aten::addmm", 3, 900.0, 950.0), Operator(name, 1, 100.0, 100.0)),
        operator_us=1000.0,
    )


class Page(HTMLParser):
    """What a page asks for and whether its elements close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [f"{name}={value}" for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_report_has_a_page_and_a_file_for_every_rule(tmp_path: Path) -> None:
    path = write_report(full(), tmp_path)
    assert path == tmp_path / "profiler-report" / "profiler-report.html"
    text = path.read_text(encoding="utf-8")
    assert all(f"<h2>{heading}" in text for heading in HEADINGS)
    files = list((path.parent / "profiler-reports").iterdir())
    assert {file.stem for file in files} == RULES
    for file in files:
        assert {"RuleTriggered", "Violations"} < json.loads(file.read_text(encoding="utf-8")).keys()


def test_hints_of_the_job_stand_beside_the_recommendations() -> None:
    made = full()
    hints: dict[Lever, str | None] = {"reused features": "--features <folder>"}
    text = render(analyse(replace(made, job=replace(made.job, hints=hints))))
    assert "<code>--features &lt;folder&gt;</code>" in text
    assert "<code>" not in render(analyse(made))


def test_page_asks_for_nothing_but_itself() -> None:
    text = render(analyse(full()))
    page = Page(text)
    assert page.open == []
    assert page.fetched == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src &#x27;none&#x27;" in text


def test_names_and_failures_are_shown_as_text() -> None:
    text = render(analyse(full(NASTY, failure=f"Error: {NASTY}")))
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "failed" in text
    assert Page(text).open == []


@pytest.mark.parametrize(
    "made",
    [
        recording(),
        recording(samples=samples(1)),
        recording(steps=steps(1)),
        recording(steps=steps(2, mode="eval")),
        recording(spans=[Span("initialisation", START_S, START_S)]),
        recording(steps=steps(5, phases={}), end_s=START_S),
    ],
    ids=["nothing", "one sample", "one step", "only eval", "no time", "no phases"],
)
def test_short_job_gives_a_report(made: Recording, tmp_path: Path) -> None:
    text = write_report(made, tmp_path).read_text(encoding="utf-8")
    assert Page(text).open == []
    assert "nan" not in re.sub(r"<style>.*</style>", "", text).lower()


def test_report_is_rebuilt_from_the_files_of_a_killed_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Timings(tmp_path / "output" / "profiler", Clock.start())
    for number in range(5000):  # enough to be written before the end, which does not come
        with made.phases["forward"]:
            pass
        made.step("train", 1, number, 8)

    assert main([str(tmp_path)]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert "ended without closing the profiler" in path.read_text(encoding="utf-8")


def test_folder_without_recording_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path)])
    assert stopped.value.code == 2


def test_report_that_cannot_be_written_fails(tmp_path: Path) -> None:
    (tmp_path / "system").mkdir()
    (tmp_path / "taken").write_text("a file where the folder should be")
    assert main([str(tmp_path), "--report-dir", str(tmp_path / "taken")]) == 1


def test_text_is_escaped_and_markup_is_not() -> None:
    assert element("p", "<b>", element("b", "&"), title='"') == (
        '<p title="&quot;">&lt;b&gt;<b>&amp;</b></p>'
    )


def test_durations_and_sizes_are_readable() -> None:
    shown = [duration(s) for s in (0, 3.4e-5, 0.00123, 5.678, 61, 3599.9, 7500)]
    assert shown == ["0 s", "34 µs", "1.23 ms", "5.68 s", "1 min 01 s", "60 min 00 s", "2 h 05 min"]
    assert [size(n) for n in (0, 999, 1500, 2.5e9, 3e13)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "2.5 GB",
        "30 TB",
    ]


def test_plots_of_nothing_are_drawn() -> None:
    assert "<svg" in line_plot([], seconds=0.0, top=0.0, top_label="", label="nothing")
    assert "<svg" in histogram([], top=0.0, limit=0.0, label="nothing")


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
# A phone, 390 px wide. Headless Chromium's own window cannot be that narrow, so the page stands in
# a frame of that width, and the outer page reads its measures.
FRAME = """<!doctype html><body><iframe src="{page}" style="width:390px;height:800px;border:0"
onload="const d=this.contentDocument.documentElement;document.title='done';
document.body.dataset.beyond=d.scrollWidth-d.clientWidth;
document.body.dataset.requests=this.contentWindow.performance.getEntriesByType('resource').length">
</iframe></body>"""


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_page_fits_a_phone_and_requests_nothing_in_a_browser(tmp_path: Path) -> None:
    page = write_report(full(NASTY), tmp_path)
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(page=page.as_uri()), encoding="utf-8")
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--allow-file-access-from-files",
        f"--user-data-dir={tmp_path / 'browser'}",
        "--dump-dom",
        frame.as_uri(),
    ]
    dumped = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    measures = dict(re.findall(r'data-(beyond|requests)="(\d+)"', dumped))
    assert measures == {"beyond": "0", "requests": "0"}
