"""What happens to one batch of uploads, from the look-up to the rows. No boto3, no Lambda.

look up what is answered -> read and shrink in parallel -> one endpoint call -> one conditional row
a photo. Everything a photo can end as is an Outcome; only OutcomeKind.RETRY sends its message back
to the queue.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from classify.deadline import Deadline
from classify.errors import ObjectGoneError, PermanentError, Reason, RetryableError
from classify.events import Upload
from classify.images import Photo, shrink
from classify.rows import Row, answered_row, rejected_row, with_expiry
from classify.wire import Answer, Prediction, Refusal, split

# Each reader may hold one original (MAX_OBJECT_BYTES) and one light decode; one vCPU gains nothing
# from more.
READERS = 4
WRITERS = 8
# Kept for the rows when an endpoint call starts: one PutItem's worst case.
WRITE_RESERVE_S = 6.0
# One repetition in company, for what passes by itself; three alone before the dead-letter queue.
ALONE_FROM_RECEIVE = 3
# Kept for returning the answer to Lambda.
EXIT_RESERVE_S = 0.5


class OutcomeKind(StrEnum):
    CLASSIFIED = "CLASSIFIED"
    NO_DOG = "NO_DOG"
    REJECTED = "REJECTED"
    ALREADY_ANSWERED = "ALREADY_ANSWERED"
    OBJECT_GONE = "OBJECT_GONE"
    RETRY = "RETRY"


@dataclass(frozen=True)
class Outcome:
    """`error` says why, for REJECTED, OBJECT_GONE and RETRY."""

    kind: OutcomeKind
    error: BaseException | None = None


@dataclass(frozen=True)
class Ports:
    """The outside world. Its callables raise only the errors of classify.errors."""

    known_sequencers: Callable[[Sequence[str]], Mapping[str, str]]
    read_object: Callable[[Upload], bytes]
    # The third argument is told the milliseconds of every call that was made.
    predict: Callable[[Sequence[bytes], Deadline, Callable[[float], None]], Answer]
    put_row: Callable[[Row], bool]
    now: Callable[[], datetime]
    # What must be left for one endpoint call to start: its time-outs and WRITE_RESERVE_S.
    endpoint_worst_case_s: float


@dataclass
class Report:
    """How each upload ended, and where the time went (stage -> milliseconds)."""

    outcomes: dict[Upload, Outcome] = field(default_factory=dict)
    stage_ms: dict[str, float] = field(default_factory=dict)
    endpoint_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class _Read:
    upload: Upload
    photo: Photo


def classify_batch(
    uploads: Iterable[Upload],
    ports: Ports,
    deadline: Deadline,
    max_pixels: int,
    retention_days: int,
) -> Report:
    """Duplicates of an event are one upload; of a key's versions only the newest is worked on."""
    wanted = list(dict.fromkeys(uploads))
    newest: dict[str, Upload] = {}
    for upload in sorted(wanted, key=lambda each: each.sequencer):
        newest[upload.key] = upload
    batch = _Batch(ports, deadline, max_pixels, retention_days)
    report = batch.run(list(newest.values()))
    for upload in wanted:
        if upload not in report.outcomes:
            report.outcomes[upload] = _superseded(report.outcomes[newest[upload.key]])
    return report


def _superseded(newest: Outcome) -> Outcome:
    """An older version is done with only when a row speaks for the newer one.

    When the newer one turned out to be deleted, the older one is the current object again: it gets
    its own turn.
    """
    if newest.kind in (OutcomeKind.RETRY, OutcomeKind.OBJECT_GONE):
        return Outcome(
            OutcomeKind.RETRY, RetryableError("waits for a newer version of the same key")
        )
    return Outcome(OutcomeKind.ALREADY_ANSWERED)


def _requests(reads: Sequence[_Read]) -> Iterator[list[_Read]]:
    """What shares an endpoint call: everything that fits, but for photos that failed before.

    A photo that makes the endpoint fail takes the whole request with it, and what failed together
    comes back together. Sent alone, it no longer takes its neighbours to the dead-letter queue.
    """
    fresh = [each for each in reads if each.upload.receive_count < ALONE_FROM_RECEIVE]
    for run in split([each.photo.jpeg for each in fresh]):
        yield [fresh[index] for index in run]
    for each in reads:
        if each.upload.receive_count >= ALONE_FROM_RECEIVE:
            yield [each]


class _Batch:
    """The state of one run: what is settled, and the rows on their way."""

    def __init__(
        self, ports: Ports, deadline: Deadline, max_pixels: int, retention_days: int
    ) -> None:
        self._ports = ports
        self._deadline = deadline
        self._max_pixels = max_pixels
        self._retention_days = retention_days
        self._report = Report()
        self._writes: dict[Future[bool], tuple[Upload, OutcomeKind, BaseException | None]] = {}
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="write")

    def run(self, uploads: Sequence[Upload]) -> Report:
        try:
            with self._timed("lookup"):
                pending = self._look_up(uploads)
            with self._timed("read"):
                reads = self._read(pending)
            with self._timed("predict"):
                for run in _requests(reads):
                    self._predict(run)
            with self._timed("write"):
                self._finish_writes()
        finally:
            self._writers.shutdown(wait=False)
        return self._report

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._report.stage_ms[stage] = (time.perf_counter() - start) * 1000

    def _settle(
        self, upload: Upload, kind: OutcomeKind, error: BaseException | None = None
    ) -> None:
        self._report.outcomes[upload] = Outcome(kind, error)

    def _look_up(self, uploads: Sequence[Upload]) -> list[Upload]:
        known = self._ports.known_sequencers([upload.key for upload in uploads]) if uploads else {}
        pending = []
        for upload in uploads:
            if upload.sequencer <= known.get(upload.key, ""):
                self._settle(upload, OutcomeKind.ALREADY_ANSWERED)
            else:
                pending.append(upload)
        return pending

    def _read(self, pending: Sequence[Upload]) -> list[_Read]:
        """What can be read before the endpoint's time begins; a hanging reader is left behind."""
        if not pending:
            return []
        pool = ThreadPoolExecutor(READERS, thread_name_prefix="read")
        futures = {pool.submit(self._read_one, upload): upload for upload in pending}
        left_s = self._deadline.remaining_s() - self._ports.endpoint_worst_case_s
        wait(futures, timeout=max(0.0, left_s))
        pool.shutdown(wait=False, cancel_futures=True)
        reads = []
        for future, upload in futures.items():
            if not future.done() or future.cancelled():
                self._settle(upload, OutcomeKind.RETRY, RetryableError("reading took too long"))
            elif error := future.exception():
                self._settle_fault(upload, error)
            else:
                reads.append(_Read(upload, future.result()))
        return reads

    def _read_one(self, upload: Upload) -> Photo:
        self._deadline.require(self._ports.endpoint_worst_case_s, "reading and classifying a photo")
        # Nothing else refers to the original: its bytes are freed when shrink returns.
        return shrink(self._ports.read_object(upload), self._max_pixels)

    def _settle_fault(self, upload: Upload, error: BaseException) -> None:
        """Any other error than ours is a bug or a broken machine: the queue keeps the message."""
        if isinstance(error, PermanentError):
            row = rejected_row(upload, error, self._ports.now())
            self._write(upload, row, OutcomeKind.REJECTED, error)
        elif isinstance(error, ObjectGoneError):
            self._settle(upload, OutcomeKind.OBJECT_GONE, error)
        else:
            self._settle(upload, OutcomeKind.RETRY, error)

    def _predict(self, reads: Sequence[_Read]) -> None:
        jpegs = [each.photo.jpeg for each in reads]
        try:
            answer = self._ports.predict(jpegs, self._deadline, self._report.endpoint_ms.append)
        except PermanentError as error:
            # The model refuses the request and does not say which photo it is about.
            if len(reads) > 1:
                for each in reads:
                    self._predict([each])
            else:
                self._settle_fault(reads[0].upload, error)
        except RetryableError as error:
            for each in reads:
                self._settle(each.upload, OutcomeKind.RETRY, error)
        else:
            for each, item in zip(reads, answer.predictions, strict=True):
                self._take(each, item, answer)

    def _take(self, read: _Read, item: Prediction | Refusal, answer: Answer) -> None:
        if isinstance(item, Refusal):
            fault = PermanentError(Reason.MODEL_REFUSED, f"{item.code}: {item.message}")
            self._settle_fault(read.upload, fault)
            return
        row = answered_row(read.upload, read.photo, item, answer, self._ports.now())
        kind = OutcomeKind.NO_DOG if item.breed is None else OutcomeKind.CLASSIFIED
        self._write(read.upload, row, kind)

    def _write(
        self, upload: Upload, row: Row, kind: OutcomeKind, error: BaseException | None = None
    ) -> None:
        """Starts at once: a row that is on its way is not lost with what comes after it."""
        row = with_expiry(row, self._ports.now(), self._retention_days)
        self._writes[self._writers.submit(self._ports.put_row, row)] = (upload, kind, error)

    def _finish_writes(self) -> None:
        wait(self._writes, timeout=max(0.0, self._deadline.remaining_s() - EXIT_RESERVE_S))
        for future, (upload, kind, error) in self._writes.items():
            if not future.done():
                fault: BaseException | None = RetryableError("writing the row took too long")
            else:
                fault = future.exception()
            if fault:
                self._settle(upload, OutcomeKind.RETRY, fault)
            elif future.result():
                self._settle(upload, kind, error)
            else:
                self._settle(upload, OutcomeKind.ALREADY_ANSWERED)
