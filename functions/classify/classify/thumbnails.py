"""The thumbnails of one batch, written and deleted beside its rows. No row ever waits for one.

A thumbnail is written while the endpoint is asked, before it is known whether its row will stand.
One that is nobody's in the end is discarded: its row was replaced, or lost to a newer event. What
is not done in time, or fails, is left behind, and told.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial

from classify.deadline import Deadline
from classify.errors import RetryableError
from classify.events import Upload
from classify.ports import Ports
from classify.rows import Known, Row, Written, thumbnail_key, thumbnails_of

WORKERS = 4
# How long the end of a batch waits for its thumbnails. They had the endpoint's time before.
FINISH_S = 2.0
# Kept for what comes after them: the waits of failed messages, and the answer to Lambda.
RESERVE_S = 4.5


class Thumbnails:
    """What is on its way, and what has to be deleted."""

    def __init__(self, ports: Ports, deadline: Deadline) -> None:
        self._ports = ports
        self._deadline = deadline
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="thumbnail")
        # All by the thumbnail's key, or the prefix of several.
        self._writes: dict[str, Future[None]] = {}
        self._late: dict[str, Upload] = {}
        self._deletes: dict[str, Callable[[], None]] = {}

    def write(self, upload: Upload, jpeg: bytes) -> None:
        """Starts at once. `upload` has the sequencer of the row that it is for."""
        key = thumbnail_key(upload.image_key, upload.sequencer)
        self._writes[key] = self._pool.submit(self._ports.put_thumbnail, upload, jpeg)

    def row_is_written(self, upload: Upload, row: Row, written: Written) -> None:
        """Keeps the thumbnail that the row names, and discards the one of the row before it."""
        other, key = written.other, thumbnail_key(upload.image_key, upload.sequencer)
        if not written.done:
            # A newer event was faster, or another delivery of this one: that row may name it too.
            if other.thumbnail != key:
                self.discard(upload)
            return
        if "thumbnail" not in row:
            self.discard(upload)
        elif key in self._writes and not self._writes[key].done():
            self._late[key] = upload
        if other.thumbnail not in ("", row.get("thumbnail")):
            self._delete(other.thumbnail)

    def row_was_there(self, upload: Upload, known: Known) -> None:
        """The try that wrote it may have ended before it had tidied up."""
        if upload.receive_count == 1 or upload.restored:
            return
        self._deletes[thumbnails_of(upload.image_key)] = partial(
            self._ports.delete_older_thumbnails, upload, known.sequencer
        )
        if known.thumbnail != thumbnail_key(upload.image_key, upload.sequencer):
            self.discard(upload)

    def discard(self, upload: Upload) -> None:
        """At the end of the batch: a write that is on its way comes first.

        Only where there may be one: of this batch, or of an earlier try.
        """
        key = thumbnail_key(upload.image_key, upload.sequencer)
        if key in self._writes or upload.receive_count > 1:
            self._delete(key)

    def _delete(self, key: str) -> None:
        self._deletes[key] = partial(self._ports.delete_thumbnail, key)

    def finish(self) -> dict[str, str]:
        """Waits while there is time; what is left behind, and why."""
        left = self._settled(self._writes)
        left |= self._discard_overtaken({key for key in self._late if key not in left})
        due = {key: delete for key, delete in self._deletes.items() if key not in left}
        return left | self._settled({key: self._pool.submit(due[key]) for key in due})

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _discard_overtaken(self, late: set[str]) -> dict[str, str]:
        """Whoever replaced the row of a late one meanwhile may have deleted it too early."""
        if not late:
            return {}
        try:
            known = self._ports.known_rows(sorted({self._late[key].image_key for key in late}))
        except RetryableError as error:
            return {key: _words(error) for key in late}
        for key in late:
            if known.get(self._late[key].image_key, Known()).thumbnail != key:
                self.discard(self._late[key])
        return {}

    def _settled(self, futures: dict[str, Future[None]]) -> dict[str, str]:
        left_s = self._deadline.remaining_s() - RESERVE_S
        wait(futures.values(), timeout=max(0.0, min(left_s, FINISH_S)))
        left = {key: "took too long" for key, future in futures.items() if not future.done()}
        for key, future in futures.items():
            if future.done() and (error := future.exception()):
                left[key] = _words(error)
        return left


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
