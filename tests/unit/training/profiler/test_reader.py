"""Reading recordings: SageMaker's files, killed jobs, strange content."""

import json
from pathlib import Path

import pytest

from training.profiler.clock import Clock
from training.profiler.facts import UNKNOWN
from training.profiler.reader import find_folder, read
from training.profiler.timings import Timings

MINUTE = 1_795_366_140


def metric(type_: str, name: str, dimension: str, value: float, at_s: float) -> str:
    """One line as SageMaker writes it."""
    return json.dumps(
        {
            "Type": type_,
            "Name": name,
            "Dimension": dimension,
            "Value": value,
            "NodeId": "algo-1",
            "Timestamp": at_s,
        }
    )


def write(folder: Path, *lines: str) -> None:
    """A file of system metrics of one minute."""
    path = folder / "system" / "incremental" / "2026112216" / f"{MINUTE}.algo-1.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")


def test_metrics_that_were_taken_together_are_one_sample(tmp_path: Path) -> None:
    write(
        tmp_path,
        metric("cpu", "cpu10", "CPUUtilization", 10.0, MINUTE + 0.0090),
        metric("cpu", "cpu2", "CPUUtilization", 2.0, MINUTE + 0.0090),
        metric("memory", "MemoryUsedPercent", "", 6.75, MINUTE + 0.0091),
        metric("network", "ReceiveBytesPerSecond", "Algorithm", 5.0, MINUTE + 0.0136),
        metric("network", "ReceiveBytesPerSecond", "Platform", 9e9, MINUTE + 0.0136),
        metric("memory", "MemoryUsedPercent", "", 7.0, MINUTE + 0.5085),
    )
    first, second = read(tmp_path).samples
    assert first.cpu == (2.0, 10.0)  # by number, not by name
    assert (first.memory, first.received) == (6.75, 5.0)
    assert (second.memory, second.cpu) == (7.0, ())


def test_half_written_last_line_is_left_out_and_counted(tmp_path: Path) -> None:
    good = metric("memory", "MemoryUsedPercent", "", 7.0, MINUTE + 1.0)
    write(tmp_path, good, good[:40])
    recording = read(tmp_path)
    assert len(recording.samples) == 1
    assert recording.damaged_lines == 1


def test_timeline_of_a_killed_job_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    made = Timings(tmp_path, Clock.start())
    for number in range(3):
        made.step("train", 1, number, 8)
    made.close()
    (path,) = tmp_path.rglob("*_pythontimeline.json")
    text = path.read_text(encoding="utf-8").removesuffix("\n]\n")
    path.write_text(text[:-30], encoding="utf-8")

    recording = read(tmp_path)
    assert len(recording.steps) == 2
    assert recording.damaged_lines == 1
    assert not recording.complete
    assert recording.job.name == UNKNOWN


def test_bytes_that_are_no_text_are_counted(tmp_path: Path) -> None:
    write(tmp_path, metric("memory", "MemoryUsedPercent", "", 7.0, MINUTE + 1.0))
    (path,) = tmp_path.rglob("*.json")
    path.write_bytes(path.read_bytes() + b"\n\xff\xfe\x00\n[1]\n")
    recording = read(tmp_path)
    assert (len(recording.samples), recording.damaged_lines) == (1, 2)


def test_empty_folder_is_an_empty_recording(tmp_path: Path) -> None:
    recording = read(tmp_path)
    assert (recording.seconds, recording.samples, recording.steps) == (0.0, (), ())


@pytest.mark.parametrize("inside", [".", "profiler", "output/profiler", "profiler-output"])
def test_recording_is_found_where_jobs_and_sagemaker_put_it(tmp_path: Path, inside: str) -> None:
    (tmp_path / inside / "system").mkdir(parents=True)
    assert find_folder(tmp_path) == tmp_path / inside


def test_folder_without_recording_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a folder that holds system/"):
        find_folder(tmp_path)
