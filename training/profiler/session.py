"""The profiler of one training process, as the training script sees it."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from training.profiler.clock import Clock
from training.profiler.facts import JobFacts
from training.profiler.operators import trace
from training.profiler.reader import OPERATORS, read, write_facts
from training.profiler.report import write_report
from training.profiler.sampler import Sampler
from training.profiler.timings import Mode, Phase, Timings, no_phases


class Profiler:
    """Records phases, steps, operators and the machine; writes the report when it is closed.

    Create it with `start`. A profiler that is not enabled records nothing.
    Phases and steps belong to the thread that runs the training loop.
    """

    def __init__(self, folder: Path | None) -> None:
        """Record under `folder` (`<base>/output/profiler`); None records nothing."""
        self._folder = folder
        self._clock = Clock.start()
        self._timings = None if folder is None else Timings(folder, self._clock)
        self._sampler = None if folder is None else Sampler(folder, self._clock)
        self._phases = no_phases() if self._timings is None else self._timings.phases

    @classmethod
    def start(cls, base_dir: Path, enabled: bool) -> "Profiler":
        """Start recording under `base_dir`/output/profiler, if `enabled`.

        In a distributed run enable it on rank 0 only. Raises OSError when the folder cannot be
        written.
        """
        return cls(base_dir / "output" / "profiler" if enabled else None)

    @property
    def enabled(self) -> bool:
        """Whether anything is recorded."""
        return self._folder is not None

    def phase(self, name: Phase) -> AbstractContextManager[None]:
        """Time what runs inside as `name`. Phases may be nested; each counts its own time only.

        data, forward, backward, optimizer and hook are parts of a step; the others lie between
        steps (an "eval" phase may hold steps and phases of its own). Raises KeyError for a name
        that is not one of `Phase`.
        """
        return self._phases[name]

    def step(self, mode: Mode, epoch: int, step: int, batch_size: int) -> None:
        """Mark the end of one step of `batch_size` samples.

        It began at the mark before or at the end of the last phase between steps, and the phases
        since then are its parts. `step` counts on through the whole job or anew every epoch.
        """
        if self._timings is not None:
            self._timings.step(mode, epoch, step, batch_size)

    @contextmanager
    def operators(self) -> Iterator[None]:
        """Run torch.profiler around what is inside: five to twenty steps, once, are enough.

        Those steps are slower; they are marked and excluded from the step statistics. The time to
        start and stop it is charged to the phase "profiler".
        """
        timings, tracing = self._timings, ExitStack()
        if timings is None or self._folder is None:
            yield
            return
        with self.phase("profiler"):
            tracing.enter_context(trace(self._folder / OPERATORS))
        timings.traced = True
        try:
            yield
        finally:
            timings.traced = False
            with self.phase("profiler"):
                tracing.close()

    def close(self, report_dir: Path, job: JobFacts) -> None:
        """Stop recording and write `report_dir`/profiler-report.

        Writes profiler-report.html and profiler-reports/<Rule>.json. Call it last, and also when
        the training failed (`JobFacts.failure`). An error in the report is printed on stderr and
        not raised, because it must not fail a finished training. A second call does nothing.
        """
        if self._timings is None or self._sampler is None or self._folder is None:
            return
        timings, sampler, self._timings, self._sampler = self._timings, self._sampler, None, None
        self._phases = no_phases()
        try:
            timings.close()
            sampler.stop()
            write_facts(self._folder, job, self._clock)
            write_report(read(self._folder), report_dir)
        except Exception as error:  # noqa: BLE001 - the boundary: a report must not fail a training
            print(f"profiler: no report in {report_dir}: {error}", file=sys.stderr)
            traceback.print_exc()
