"""The rows of one batch on their way to the table, several at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial

from classify.deadline import Deadline
from classify.errors import RetryableError
from classify.events import Upload
from classify.outcomes import Outcome, OutcomeKind
from classify.ports import Ports
from classify.rows import Known, Row, Written, deleted_row, with_expiry
from classify.thumbnails import Thumbnails

WRITERS = 8
# Kept for the rows when an endpoint call starts: one PutItem's worst case.
WRITE_RESERVE_S = 6.0
# Kept for returning the answer to Lambda.
EXIT_RESERVE_S = 0.5


class Writes:
    """Each starts at once: a row that is on its way is not lost with what comes after it."""

    def __init__(
        self, ports: Ports, deadline: Deadline, retention_days: int, thumbnails: Thumbnails
    ) -> None:
        self._ports = ports
        self._deadline = deadline
        self._retention_days = retention_days
        self._thumbnails = thumbnails
        self._pool = ThreadPoolExecutor(WRITERS, thread_name_prefix="write")
        self._futures: dict[Future[Written], tuple[Upload, Upload, Row, Outcome]] = {}

    def put(self, upload: Upload, source: Upload, row: Row, outcome: Outcome) -> None:
        """`source` has the version and the sequencer of the row."""
        row = with_expiry(row, self._ports.now(), self._retention_days)
        put = self._ports.put_restored_row if upload.restored else self._ports.put_row
        self._start(partial(put, row), upload, source, row, outcome)

    def replace(
        self, upload: Upload, source: Upload, row: Row, known: Known, outcome: Outcome
    ) -> None:
        """Another answer in the row that was found; it expires when it would have."""
        self._start(partial(self._ports.replace_answer, row, known), upload, source, row, outcome)

    def put_deleted(self, removal: Upload) -> None:
        now = self._ports.now()
        row = with_expiry(deleted_row(removal, now), now, self._retention_days)

        def put() -> Written:
            written = self._ports.put_row(row)
            # In this order: the row that stands instead needs its thumbnail.
            if written.done:
                self._ports.delete_older_thumbnails(removal, removal.sequencer)
            return written

        self._start(put, removal, removal, row, Outcome(OutcomeKind.DELETED))

    def complete_deletion(self, removal: Upload) -> None:
        """A try before this one has written the row, and may have ended before the thumbnails."""

        def complete() -> Written:
            self._ports.delete_older_thumbnails(removal, removal.sequencer)
            return Written(done=True)

        outcome = Outcome(OutcomeKind.ALREADY_ANSWERED)
        self._start(complete, removal, removal, {}, outcome)

    def keep(self, removal: Upload, known: Known) -> None:
        """The row is right as it was found."""

        def keep() -> Written:
            self._ports.keep_row(removal.image_key, known, removal.sequencer)
            return Written(done=True)

        self._start(keep, removal, removal, {}, Outcome(OutcomeKind.ALREADY_ANSWERED))

    def _start(
        self,
        write: Callable[[], Written],
        upload: Upload,
        source: Upload,
        row: Row,
        outcome: Outcome,
    ) -> None:
        self._futures[self._pool.submit(write)] = (upload, source, row, outcome)

    def finish(self) -> Iterator[tuple[Upload, Outcome]]:
        """How each has ended, once all are done or the time is up."""
        left_s = self._deadline.remaining_s() - EXIT_RESERVE_S
        wait(self._futures, timeout=max(0.0, min(left_s, WRITE_RESERVE_S)))
        futures, self._futures = self._futures, {}
        for future, (upload, source, row, outcome) in futures.items():
            fault: BaseException | None = RetryableError("writing the row took too long")
            if future.done():
                fault = future.exception()
            if fault:
                yield upload, Outcome(OutcomeKind.RETRY, fault)
                continue
            written = future.result()
            self._thumbnails.row_is_written(source, row, written)
            yield upload, outcome if written.done else Outcome(OutcomeKind.ALREADY_ANSWERED)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
