"""The process for photos that cost much: its limits, its end, and what each of them means."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from photo_reader import MAX_PIXELS, PhotoError, guard, read
from rigs import heic
from tests.odd_files.building import saved
from tests.odd_files.hostile import HOSTILE

ROOT = Path(__file__).resolve().parents[3]
HEAVY = heic.UPRIGHT  # always read in the guarded process


@pytest.fixture(autouse=True)
def fresh_worker() -> Iterator[None]:
    """Each test begins and ends without one."""
    guard._guard.end()
    yield
    guard._guard.end()


def worker_pid() -> int:
    assert guard._guard.worker is not None
    return guard._guard.worker.process.pid


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        threading.Event().wait(0.01)


def slow_photo() -> bytes:
    """A BMP of runs of one pixel each, which Pillow unpacks one by one: seconds of CPU time."""
    width, height = 2000, 2000
    pixels = b"\x01\x07" * (width * height)
    head = (40).to_bytes(4, "little") + width.to_bytes(4, "little") + height.to_bytes(4, "little")
    head += b"\x01\0\x08\0\x01\0\0\0" + len(pixels).to_bytes(4, "little") + bytes(8)
    head += (256).to_bytes(4, "little") + bytes(4)
    palette = bytes(1024)
    start = 14 + len(head) + len(palette)
    size = (start + len(pixels)).to_bytes(4, "little")
    return b"BM" + size + bytes(4) + start.to_bytes(4, "little") + head + palette + pixels


def test_photo_that_uses_up_its_cpu_time_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "CPU_S", 0.2)
    with pytest.raises(PhotoError) as refusal:
        read(slow_photo(), 384)
    assert refusal.value.code == "TOO_SLOW"
    assert read(HEAVY, 384).width == 96  # by another worker


def test_limit_of_cpu_time_holds_where_the_parent_ignores_the_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "CPU_S", 0.2)
    before = signal.signal(signal.SIGPROF, signal.SIG_IGN)
    try:
        with pytest.raises(PhotoError, match="TOO_SLOW"):
            read(slow_photo(), 384)
    finally:
        signal.signal(signal.SIGPROF, before)


def test_worker_given_up_in_the_middle_of_an_answer_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read(HEAVY, 384)
    worker = guard._guard.worker
    assert worker is not None

    def interrupted(*_: object) -> bytes:
        raise RuntimeError("interrupted")

    monkeypatch.setattr(worker, "_read", interrupted)
    with pytest.raises(RuntimeError, match="interrupted"):
        read(slow_photo(), 384)
    assert read(HEAVY, 384).width == 96


def test_cut_photo_is_cut_however_short_memory_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_machine_bytes", lambda: [180 << 20])
    with pytest.raises(PhotoError, match="TRUNCATED"):
        read(LARGE["webp"]()[:-2000], 384)


def test_photo_that_waits_too_long_is_the_machines_fault() -> None:
    with pytest.raises(TimeoutError):
        guard.read(slow_photo(), 384, MAX_PIXELS, within_s=0.05)
    assert read(HEAVY, 384).width == 96


def test_turns_of_others_count_in_what_a_caller_waits() -> None:
    read(HEAVY, 384)
    before = worker_pid()
    with guard._guard.turn, pytest.raises(TimeoutError, match="other photos"):
        read(HEAVY, 384, within_s=0.05)
    with pytest.raises(TimeoutError, match="no time is left"):
        read(HEAVY, 384, within_s=0)
    assert read(HEAVY, 384, within_s=60).width == 96
    assert worker_pid() == before


def test_second_try_after_a_crash_has_what_is_left_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deadlines = []

    def crash(_: object, deadline: float) -> tuple[int, bytes]:
        deadlines.append(deadline)
        raise guard._WorkerError(-signal.SIGSEGV)

    monkeypatch.setattr(guard, "_ask", crash)
    with pytest.raises(PhotoError):
        read(HEAVY, 384, within_s=60)
    assert len(deadlines) == 2
    assert len(set(deadlines)) == 1


def test_file_larger_than_the_workers_memory_leaves_the_next_photo_its_own_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "_machine_bytes", lambda: [180 << 20])
    read(HEAVY, 384)
    before = worker_pid()
    for _ in range(2):
        with pytest.raises(MemoryError):
            read(HEAVY + bytes(160 << 20), 384)
        assert read(HEAVY, 384).width == 96
    assert worker_pid() == before


def test_worker_is_kept_for_the_next_photo_and_replaced_when_it_has_died() -> None:
    read(HEAVY, 384)
    first = worker_pid()
    read(HEAVY, 384)
    assert worker_pid() == first
    os.kill(first, signal.SIGKILL)
    assert guard._guard.worker is not None
    guard._guard.worker.process.wait()
    assert read(HEAVY, 384).width == 96
    assert worker_pid() != first


def test_worker_killed_at_work_is_the_machines_fault() -> None:
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read, slow_photo(), 384)
        wait_until(lambda: guard._guard.worker is not None)
        os.kill(worker_pid(), signal.SIGKILL)
        with pytest.raises(MemoryError):
            reading.result()


def test_decoder_that_crashes_is_tried_once_more_and_then_the_photo_is_corrupt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = []

    def crash(*_: object) -> tuple[int, bytes]:
        tries.append(1)
        raise guard._WorkerError(-signal.SIGSEGV)

    monkeypatch.setattr(guard, "_ask", crash)
    with pytest.raises(PhotoError) as refusal:
        read(HEAVY, 384)
    assert (refusal.value.code, len(tries)) == ("CORRUPT", 2)
    monkeypatch.setattr(guard, "_machine_bytes", lambda: [500 << 20])
    with pytest.raises(MemoryError):
        read(HEAVY, 384)


LARGE = {
    "progressive jpeg": lambda: saved(Image.new("RGB", (6000, 6000)), "JPEG", progressive=True),
    "webp": lambda: saved(Image.new("RGB", (5000, 5000)), "WEBP", method=0),
    "avif": lambda: saved(Image.new("RGB", (5000, 5000)), "AVIF", speed=10),
    "png": lambda: saved(Image.new("RGB", (6000, 6000)), "PNG"),
}


@pytest.mark.parametrize("name", LARGE)
def test_good_photo_that_memory_is_too_short_for_is_no_broken_photo(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = LARGE[name]()
    monkeypatch.setattr(guard, "_machine_bytes", lambda: [180 << 20])
    with pytest.raises(MemoryError):
        read(data, 384)
    monkeypatch.undo()
    guard._guard.end()
    assert read(data, 384).width >= 5000


def test_photo_that_wants_more_than_the_whole_budget_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "BUDGET_BYTES", 150 << 20)
    monkeypatch.setattr(guard, "_machine_bytes", list)
    with pytest.raises(PhotoError) as refusal:
        read(LARGE["webp"](), 384)
    assert refusal.value.code == "CORRUPT"


def test_large_pictures_from_many_threads_share_one_worker() -> None:
    data = HOSTILE["png of one bit a pixel"].make()
    with ThreadPoolExecutor(4) as pool:
        photos = list(pool.map(lambda _: read(data, 384), range(4)))
    assert {photo.width for photo in photos} == {7000}
    status = Path(f"/proc/{worker_pid()}/status").read_text(encoding="ascii")
    assert int(status.partition("VmHWM:")[2].split()[0]) < 200_000


def test_wide_pixels_with_opacity_are_reduced_in_bands() -> None:
    read(HOSTILE["png of 49 megapixels in 16 bit with alpha"].make(), 384)
    status = Path(f"/proc/{worker_pid()}/status").read_text(encoding="ascii")
    # 196 MB of RGBA; it took 600 with a copy in 8 bits and one with premultiplied colours.
    assert int(status.partition("VmHWM:")[2].split()[0]) < 300_000


def test_fork_has_a_worker_of_its_own() -> None:
    read(HEAVY, 384)
    before = worker_pid()
    if not (child := os.fork()):
        try:
            read(HEAVY, 384)
            os._exit(0 if worker_pid() != before else 3)
        finally:
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert read(HEAVY, 384).width == 96
    assert worker_pid() == before


PROGRAM = """
import os
from photo_reader import guard, read
from rigs import heic
read(heic.UPRIGHT, 384)
print(guard._guard.worker.process.pid, flush=True)
os._exit(0)
"""


def test_worker_ends_with_its_parent() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    process = Path(f"/proc/{int(done.stdout)}/cmdline")
    wait_until(lambda: not process.exists() or not process.read_bytes())


def test_worker_has_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    read(HEAVY, 384)
    assert b"hush" not in Path(f"/proc/{worker_pid()}/environ").read_bytes()


def test_worker_that_cannot_start_is_the_machines_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ChildProcessError, match="cannot be started"):
        read(HEAVY, 384)


def test_small_machine_gives_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_machine_bytes", lambda: [4 << 30, 1 << 30])
    assert guard.budget_bytes() == 3 << 28
    monkeypatch.setattr(guard, "_machine_bytes", lambda: [1769 << 20])  # the function's
    assert guard.budget_bytes() == guard.BUDGET_BYTES


def test_import_starts_nothing_and_loads_little() -> None:
    program = "import sys, photo_reader; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    late = {"photo_reader.guard", "subprocess", "PIL.ImageCms", "PIL.TiffImagePlugin", "pi_heif"}
    assert not late & set(done.stdout.split())
