"""The sampling process: what it writes, and that it never outlives its parent."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from training.profiler.clock import Clock
from training.profiler.reader import read
from training.profiler.sampler import Sampler
from training.profiler.sampling import Counters, MinuteFiles, counters, main, metrics

LINUX = pytest.mark.skipif(not Path("/proc/stat").exists(), reason="needs /proc")
BEFORE = Counters(
    cores=((10.0, 1.0, 100.0), (20.0, 0.0, 100.0)),
    memory_used_percent=30.0,
    memory_bytes=1000,
    read_bytes=1000,
    write_bytes=2000,
    disk_operations=10,
    received_bytes=100,
    sent_bytes=200,
    job=(5.0, 400),
)


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for the condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_metrics_are_rates_between_two_readings() -> None:
    now = replace(
        BEFORE,
        cores=((10.9, 1.1, 102.0), (22.0, 0.0, 102.0)),
        read_bytes=5000,
        disk_operations=16,
        job=(6.0, 500),
    )
    found = {(name, dimension): value for _, name, dimension, value in metrics(BEFORE, now, 2.0)}
    assert found["cpu0", "CPUUtilization"] == pytest.approx(45)
    assert found["cpu0", "I/OWaitPercentage"] == pytest.approx(5)
    assert found["cpu1", "CPUUtilization"] == pytest.approx(100)
    assert found["ReadThroughputInBytesPerSecond", ""] == 2000
    assert found["IOPS", ""] == 3
    assert found["job", "ProcessUtilization"] == pytest.approx(25)  # 1 s of 2 s on 2 cores
    assert found["job", "ProcessResidentPercent"] == 50


def test_counters_that_go_back_are_no_negative_rates() -> None:
    now = replace(BEFORE, cores=((9.0, 0.5, 100.0), (20.0, 0.0, 100.0)), read_bytes=0, job=None)
    assert all(value >= 0 for *_, value in metrics(BEFORE, now, 0.5))


def test_lines_lie_in_the_file_of_their_minute(tmp_path: Path) -> None:
    files = MinuteFiles(tmp_path)
    for at_s in (1_795_366_199.9, 1_795_366_200.4):
        files.write(at_s, [("memory", "MemoryUsedPercent", "", 7.123)])
    folder = tmp_path / "system" / "incremental" / "2026112216"
    assert [path.name for path in sorted(folder.iterdir())] == [
        "1795366140.algo-1.json",
        "1795366200.algo-1.json",
    ]
    line = json.loads((folder / "1795366140.algo-1.json").read_text())
    assert line == {
        "Type": "memory",
        "Name": "MemoryUsedPercent",
        "Dimension": "",
        "Value": 7.12,
        "NodeId": "algo-1",
        "Timestamp": 1_795_366_199.9,
    }


@LINUX
def test_sampler_writes_what_the_reader_reads(tmp_path: Path) -> None:
    sampler = Sampler(tmp_path, Clock.start())
    until(lambda: len(read(tmp_path).samples) >= 2)
    sampler.stop()
    assert not alive(sampler.pid)
    sample = read(tmp_path).samples[-1]
    assert len(sample.cpu) == len(sample.io_wait) == os.cpu_count()
    assert sample.memory is not None
    assert 0 < sample.memory < 100
    assert sample.job_bytes is not None
    assert sample.job_bytes > 1e6
    assert abs(sample.at_s - time.time()) < 60


@LINUX
def test_sampler_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from training.profiler.clock import Clock; "
        "from training.profiler.sampler import Sampler; "
        "print(Sampler(Path(sys.argv[1]), Clock.start()).pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        until(lambda: alive(pid))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until(lambda: not alive(pid))


@LINUX
def test_sampler_dies_although_a_forked_worker_holds_its_input_open(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from training.profiler.clock import Clock;"
        "from training.profiler.sampler import Sampler; "
        "pid = Sampler(Path(sys.argv[1]), Clock.start()).pid; worker = os.fork(); "
        "worker and print(pid, worker, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, worker = map(int, parent.stdout.readline().split())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until(lambda: not alive(pid))
        assert alive(worker)
        os.kill(worker, signal.SIGKILL)


@LINUX
def test_sampler_outlives_an_interrupt_that_the_training_handles(tmp_path: Path) -> None:
    sampler = Sampler(tmp_path, Clock.start())
    until(lambda: read(tmp_path).samples)
    os.kill(sampler.pid, signal.SIGINT)
    count = len(read(tmp_path).samples)
    until(lambda: len(read(tmp_path).samples) > count)
    sampler.stop()


def test_without_psutil_there_are_no_metrics_and_a_message_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    parent = str(os.getppid())
    assert main([str(tmp_path), "--offset-ns", "0", "--parent", parent]) == 1
    assert "no system metrics from here on" in capsys.readouterr().err
    assert not read(tmp_path).samples


@LINUX
def test_counters_see_the_work_of_the_job() -> None:
    code = "x = bytearray(50_000_000)\nprint(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        first = counters(child.pid).job
        assert first is not None
        assert first[1] > 50_000_000

        def has_worked() -> bool:
            now = counters(child.pid).job
            return now is not None and now[0] > first[0]

        until(has_worked)
        child.kill()
        child.wait()
    assert counters(child.pid).job is None


@LINUX
def test_counters_are_those_of_the_kernel() -> None:
    now = counters(os.getppid())
    kib = int(Path("/proc/meminfo").read_text(encoding="utf-8").split()[1])
    assert now.memory_bytes == 1024 * kib
    ticks = [
        [int(field) for field in line.split()[1:9]]
        for line in Path("/proc/stat").read_text(encoding="utf-8").splitlines()
        if line.startswith("cpu") and not line.startswith("cpu ")
    ]
    for (busy, waiting, whole), fields in zip(now.cores, ticks, strict=True):
        seconds = [field / os.sysconf("SC_CLK_TCK") for field in fields]
        assert waiting == pytest.approx(seconds[4], abs=5)
        assert whole == pytest.approx(sum(seconds), abs=5)
        assert busy == pytest.approx(sum(seconds) - seconds[3] - seconds[4], abs=5)
