"""What the core needs of the outside world."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from classify.deadline import Deadline
from classify.events import Upload
from classify.rows import Known, Row, Written
from classify.wire import Answer


@dataclass(frozen=True)
class Ports:
    """Its callables raise only the errors of classify.errors."""

    known_rows: Callable[[Sequence[str]], Mapping[str, Known]]
    read_object: Callable[[Upload], bytes]
    current_version: Callable[[Upload], Upload]
    listed_now: Callable[[Upload], Upload]
    # Photos, attempts, deadline, and who is told the milliseconds of every call that was made.
    predict: Callable[[Sequence[bytes], int, Deadline, Callable[[float], None]], Answer]
    put_row: Callable[[Row], Written]
    put_restored_row: Callable[[Row], Written]
    # The new answer, and the row as it was found.
    replace_answer: Callable[[Row, Known], Written]
    # Image key, the row as it was found, and the sequencer of the event that leaves it so.
    keep_row: Callable[[str, Known, str], None]
    put_thumbnail: Callable[[Upload, bytes], None]
    delete_thumbnail: Callable[[str], None]
    # Of the upload's key, those from before this sequencer.
    delete_older_thumbnails: Callable[[Upload, str], None]
    now: Callable[[], datetime]
    # What must be left for one endpoint call to start: its time-outs and WRITE_RESERVE_S.
    endpoint_worst_case_s: float
    # Of a queue, by receipt handle: delete messages, and make them wait so many seconds.
    acknowledge: Callable[[str, Sequence[str]], None]
    give_back: Callable[[str, Mapping[str, int]], None]
