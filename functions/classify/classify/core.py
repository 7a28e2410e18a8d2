"""What happens to one batch of uploads, from the look-up to the rows. No boto3, no Lambda.

look up what is answered -> what is fresh, together: read and shrink in parallel, one endpoint call,
one conditional row a photo -> what failed before, one by one: read, one attempt, row. A photo that
makes the endpoint hang, or ends this process, takes along what it came with twice at most; from its
third receive it is alone, and whoever came with it has a row by then or gets a turn of its own.

After a removal S3 is asked what stands under the key now: nothing, the version that the row speaks
of, or another one, which is answered. So whichever event is the last one, its row is right.

What a back-fill sends is answered in the same way. A row that it asks to answer again keeps its
place in the lists and what people said.

Everything a photo can end as is an Outcome; only OutcomeKind.RETRY sends its message back to the
queue.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace

from classify.deadline import Deadline
from classify.errors import (
    EndpointUnavailableError,
    ObjectGoneError,
    ObjectReplacedError,
    PermanentError,
    PhotoDeletedError,
    Reason,
    RetryableError,
    RowStandsError,
)
from classify.events import SEQUENCER_DIGITS, Upload
from classify.images import Photo, shrink
from classify.outcomes import Outcome, OutcomeKind, Report
from classify.ports import Ports
from classify.rows import Known, answered_again_row, answered_row, rejected_row, status_of
from classify.thumbnails import Thumbnails
from classify.turns import Chain, in_turn
from classify.wire import Answer, Prediction, Refusal, split
from classify.writes import Writes

# Each reader may hold one original (MAX_OBJECT_BYTES) and one light decode; one vCPU gains nothing
# from more.
READERS = 4
ATTEMPTS_TOGETHER, ATTEMPTS_ALONE = 2, 1
# Older than every upload: the row of a restored version whose upload has left none.
OLDEST = "0" * SEQUENCER_DIGITS


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
    before_risk: Callable[[Report], None],
) -> Report:
    """Duplicates of an event are one upload; of a key's versions only the newest is worked on.

    `before_risk` is told how things stand before each photo that failed before is touched: should
    this one end the process, what is acknowledged by then does not come back.
    """
    # Of duplicates the one that failed most often.
    wanted = list(dict.fromkeys(sorted(uploads, key=lambda each: -each.receive_count)))
    return _Batch(ports, deadline, max_pixels, retention_days, before_risk).run(wanted)


class _Batch:
    """The state of one run: what is settled, and what is on its way."""

    def __init__(
        self,
        ports: Ports,
        deadline: Deadline,
        max_pixels: int,
        retention_days: int,
        before_risk: Callable[[Report], None],
    ) -> None:
        self._ports = ports
        self._deadline = deadline
        self._max_pixels = max_pixels
        self._before_risk = before_risk
        self._report = Report()
        self._known: Mapping[str, Known] = {}
        # Restored or removed upload -> the version to read and the sequencer of its row.
        self._sources: dict[Upload, Upload] = {}
        self._unavailable: EndpointUnavailableError | None = None
        self._thumbnails = Thumbnails(ports, deadline)
        self._writes = Writes(ports, deadline, retention_days, self._thumbnails)

    def run(self, uploads: Sequence[Upload]) -> Report:
        try:
            with self._timed("lookup"):
                pending = self._look_up(uploads)
            fresh, suspects = in_turn(pending)
            self._work_through(fresh, alone=False)
            for chain in suspects:
                self._before_risk(self._report)
                self._work_through([chain], alone=True)
            self._finish_writes()
            with self._timed("thumbnails"):
                self._report.thumbnails_left = self._thumbnails.finish()
        finally:
            self._writes.close()
            self._thumbnails.close()
        return self._report

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        spent_ms = (time.perf_counter() - start) * 1000
        self._report.stage_ms[stage] = self._report.stage_ms.get(stage, 0.0) + spent_ms

    def _settle(
        self, upload: Upload, kind: OutcomeKind, error: BaseException | None = None
    ) -> None:
        self._report.outcomes[upload] = Outcome(kind, error)

    def _look_up(self, uploads: Sequence[Upload]) -> list[Upload]:
        keys = list(dict.fromkeys(upload.image_key for upload in uploads))
        self._known = self._ports.known_rows(keys) if keys else {}
        pending = []
        for upload in uploads:
            known = self._known_of(upload)
            if self._is_pending(upload, known):
                pending.append(upload)
            elif self._is_half_deleted(upload, known):
                self._writes.complete_deletion(upload)
            else:
                self._settle(upload, OutcomeKind.ALREADY_ANSWERED)
                self._thumbnails.row_was_there(upload, known)
        return pending

    def _known_of(self, upload: Upload) -> Known:
        return self._known.get(upload.image_key, Known())

    @staticmethod
    def _is_half_deleted(upload: Upload, known: Known) -> bool:
        same = upload.sequencer == known.sequencer
        return upload.removed and upload.receive_count > 1 and known.deleted and same

    def _is_pending(self, upload: Upload, known: Known) -> bool:
        if upload.again:
            same = upload.sequencer == known.sequencer and not known.deleted
            done = known.answer.reclassified_by == upload.job
            return same and upload.replaces == known.answer.model_version and not done
        if not upload.restored:
            return upload.sequencer > max(known.sequencer, known.seen_sequencer)
        # A restored version is answered where its own row says ARCHIVED, and never in the place of
        # another version. Events without a version are told apart by the ETag.
        version = upload.version_id or known.version_id
        self._sources[upload] = replace(
            upload, version_id=version, sequencer=known.sequencer or OLDEST
        )
        same = known.is_of(version, upload.etag) and upload.etag in ("", known.etag)
        return not known.sequencer or (known.archived and same)

    def _work_through(self, chains: list[Chain], alone: bool) -> None:
        """The newest version of each key, and where that was deleted meanwhile, the one before."""
        while chains:
            self._work([chain[-1] for chain in chains], alone)
            chains = [chain[:-1] for chain in chains if self._leaves_older(chain)]

    def _leaves_older(self, chain: Chain) -> bool:
        """Whether the version before the newest has to be worked on; if not, it is settled."""
        newest = self._report.outcomes[chain[-1]].kind
        if newest is OutcomeKind.OBJECT_GONE:
            return len(chain) > 1
        for upload in chain[:-1]:
            # A removal may leave the very row that a restored version is to replace.
            if newest is OutcomeKind.RETRY or (upload.restored and chain[-1].removed):
                error = RetryableError("waits for a newer version of the same key")
                self._settle(upload, OutcomeKind.RETRY, error)
            else:
                self._settle(upload, OutcomeKind.ALREADY_ANSWERED)
                self._thumbnails.discard(self._source(upload))
        return False

    def _work(self, uploads: Sequence[Upload], alone: bool) -> None:
        """Read, ask, write; every upload is settled afterwards."""
        with self._timed("read"):
            reads = self._read(uploads, alone)
        for each in reads:
            if each.upload.receive_count == 1 and self._lacks_thumbnail(each.upload):
                self._thumbnails.write(self._source(each.upload), each.photo.jpeg)
        with self._timed("predict"):
            for run in split([each.photo.jpeg for each in reads]):
                self._predict(
                    [reads[index] for index in run],
                    ATTEMPTS_ALONE if alone else ATTEMPTS_TOGETHER,
                )
        self._finish_writes()

    def _lacks_thumbnail(self, upload: Upload) -> bool:
        """A photo that is answered again has the same one as before."""
        return not (upload.again and self._known_of(upload).thumbnail)

    def _finish_writes(self) -> None:
        with self._timed("write"):
            for upload, outcome in self._writes.finish():
                self._report.outcomes[upload] = outcome

    def _read(self, uploads: Sequence[Upload], alone: bool) -> list[_Read]:
        """What can be read before the endpoint's time begins; a hanging reader is left behind."""
        timeout_s = self._reading_s(alone)
        until = time.monotonic() + timeout_s
        pool = ThreadPoolExecutor(READERS, thread_name_prefix="read")
        futures = {pool.submit(self._read_one, upload, until): upload for upload in uploads}
        wait(futures, timeout=timeout_s)
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

    def _reading_s(self, alone: bool) -> float:
        """One photo alone may take half of the time that is left over: others wait for theirs."""
        left_s = self._deadline.remaining_s() - self._ports.endpoint_worst_case_s
        return max(0.0, left_s / 2 if alone else left_s)

    def _read_one(self, upload: Upload, until: float) -> Photo:
        self._deadline.require(self._ports.endpoint_worst_case_s, "reading and classifying a photo")
        if upload.removed:
            self._sources[upload] = self._what_stands(upload)
        if self._unavailable:
            raise self._unavailable
        # Nothing else refers to the original: its bytes are freed when shrink returns. Which is in
        # time: left behind, it would keep the guarded process from the next invocation's photos.
        return shrink(self._bytes(upload), self._max_pixels, until - time.monotonic())

    def _bytes(self, upload: Upload) -> bytes:
        try:
            return self._ports.read_object(self._source(upload))
        except ObjectReplacedError:
            if not upload.foreign or upload.again:
                raise  # an event of its own tells of what stands there now
        # Of another bucket no event comes: what stands there now is answered, in its own row.
        self._sources[upload] = self._ports.listed_now(upload)
        try:
            return self._ports.read_object(self._source(upload))
        except ObjectReplacedError as error:
            raise RetryableError("the photo is being replaced, again and again") from error

    def _source(self, upload: Upload) -> Upload:
        return self._sources.get(upload, upload)

    def _what_stands(self, removal: Upload) -> Upload:
        """The version to answer. Raises PhotoDeletedError, RowStandsError."""
        current, known = self._ports.current_version(removal), self._known_of(removal)
        if not known.deleted and known.is_of(current.version_id or "", current.etag):
            raise RowStandsError(f"the row is of version {current.version_id}")
        return current

    def _settle_fault(self, upload: Upload, error: BaseException) -> None:
        """Any other error than ours is a bug or a broken machine: the queue keeps the message."""
        if upload.again and isinstance(error, (PermanentError, ObjectGoneError)):
            # The answer that is there is better than none.
            gone = isinstance(error, ObjectGoneError)
            kind = OutcomeKind.OBJECT_GONE if gone else OutcomeKind.REJECTED
            self._settle(upload, kind, error)
        elif isinstance(error, PermanentError):
            source = self._source(upload)
            row = rejected_row(source, error, self._ports.now())
            self._writes.put(upload, source, row, Outcome(OutcomeKind.REJECTED, error))
        elif isinstance(error, PhotoDeletedError):
            self._writes.put_deleted(upload)
        elif isinstance(error, RowStandsError):
            self._writes.keep(upload, self._known_of(upload))
        elif isinstance(error, ObjectGoneError):
            self._settle(upload, OutcomeKind.OBJECT_GONE, error)
            self._thumbnails.discard(self._source(upload))
        else:
            self._settle(upload, OutcomeKind.RETRY, error)

    def _predict(self, reads: Sequence[_Read], attempts: int) -> None:
        """Nothing is asked any more once the endpoint as a whole was found unavailable."""
        try:
            if self._unavailable:
                raise self._unavailable
            jpegs = [each.photo.jpeg for each in reads]
            answer = self._ports.predict(
                jpegs, attempts, self._deadline, self._report.endpoint_ms.append
            )
        except PermanentError as error:
            # The model refuses the request and does not say which photo it is about.
            if len(reads) > 1:
                for each in reads:
                    self._predict([each], attempts)
            else:
                self._settle_fault(reads[0].upload, error)
        except Exception as error:  # noqa: BLE001 - a bug that one photo wakes takes no other along
            if isinstance(error, EndpointUnavailableError):
                self._unavailable = error
            for each in reads:
                self._settle_fault(each.upload, error)
        else:
            for each, item in zip(reads, answer.predictions, strict=True):
                self._take(each, item, answer)

    def _take(self, read: _Read, item: Prediction | Refusal, answer: Answer) -> None:
        if isinstance(item, Refusal):
            fault = PermanentError(Reason.MODEL_REFUSED, f"{item.code}: {item.message}")
            self._settle_fault(read.upload, fault)
            return
        upload, source, now = read.upload, self._source(read.upload), self._ports.now()
        if upload.receive_count > 1 and self._lacks_thumbnail(upload):
            # Not before there is an answer: an outage would write it at every try.
            self._thumbnails.write(source, read.photo.jpeg)
        outcome = Outcome(status_of(item))
        if upload.again:
            known = self._known_of(upload)
            row = answered_again_row(upload, read.photo, item, answer, known, now)
            self._writes.replace(upload, source, row, known, outcome)
        else:
            row = answered_row(source, read.photo, item, answer, now)
            self._writes.put(upload, source, row, outcome)
