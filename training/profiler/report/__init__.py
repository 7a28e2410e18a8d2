"""The profiler report: one HTML page that needs nothing but itself, and one JSON file a rule."""

import json
from pathlib import Path

from training.profiler.analysis import Analysis, analyse
from training.profiler.recording import Recording
from training.profiler.report.machine import system_section
from training.profiler.report.markup import element
from training.profiler.report.measurements import (
    data_section,
    detail_section,
    operator_section,
    step_section,
)
from training.profiler.report.sections import (
    further_advice,
    head,
    page,
    rules_section,
    time_section,
)
from training.profiler.report.style import STYLE

FOLDER = "profiler-report"
PAGE = "profiler-report.html"
RULES = "profiler-reports"


def write_report(recording: Recording, report_dir: Path) -> Path:
    """Analyse `recording`; write the page and the rules under `report_dir`/profiler-report.

    Returns the page's path. Raises OSError when it cannot be written.
    """
    analysis = analyse(recording)
    folder = report_dir / FOLDER
    (folder / RULES).mkdir(parents=True, exist_ok=True)
    for finding in analysis.findings:
        text = json.dumps(finding.to_json(), indent=2, ensure_ascii=False)
        (folder / RULES / f"{finding.rule}.json").write_text(text, encoding="utf-8")
    path = folder / PAGE
    path.write_text(render(analysis), encoding="utf-8")
    return path


def render(analysis: Analysis) -> str:
    """The page."""
    sections = (
        head(analysis),
        time_section(analysis),
        rules_section(analysis),
        system_section(analysis),
        step_section(analysis),
        data_section(analysis),
        operator_section(analysis),
        further_advice(analysis),
        detail_section(analysis),
        element("footer", "Definitions and thresholds of the rules: training/profiler/analysis."),
    )
    return page(f"Profiler report: {analysis.recording.job.name}", STYLE, *sections)
