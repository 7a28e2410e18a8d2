"""Write steps in smdebug's trial format: for its readers, without its slow writer.

smdebug writes one event file a step, starts a thread for it and builds each record with protobuf
in pure Python: milliseconds a step, more than a small head's whole step. Here every record of a
kind of step has a fixed length, so that a step is a copy of a template with its numbers filled
in, and the steps that arrive together share one event file (smdebug's index names the file and the
position of every record, so its readers do not care).

Layout of a trial folder, as smdebug 1.0.34 reads it:
    collections/000000000/worker_0_collections.json   which tensor belongs to which collection
    events/<step>/<step>_worker_0.tfevents            TFRecords of Event{wall_time, step, summary}
    index/<step // 1000>/<step>_worker_0.json         where each tensor of a step lies
    training_job_end.ts                               exists once the trial is complete

A tensor named `smdebug/reductions/<op>/<tensor>` is the reduction <op> of <tensor>: smdebug's
`trial.tensor(<tensor>).reduction_value(step, <op>)` returns it (`abs_<op>` with abs=True).
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

WORKER = "worker_0"
END_OF_JOB = "training_job_end.ts"
WRITTEN_BY = "summaries"  # in the collections file's _meta: records have this module's layout
# smdebug's ModeKeys
MODES = {"train": ("TRAIN", 1), "eval": ("EVAL", 2), "predict": ("PREDICT", 3)}

STEPS_A_FOLDER = 1000
# smdebug never checks a record's own checksum: it writes and expects that of b"0x12345678".
FOOTER = struct.pack("<I", 0x062DC0B3)
DIGITS = 12  # smdebug's width of a step in file names; also how mode_step is padded in a record
VARINT = 5  # bytes given to every varint, padded, so that lengths do not depend on values
FLOAT = 4


@dataclass(frozen=True)
class Column:
    """One tensor of a step: its name and how many float32 it holds."""

    name: str
    size: int


def reduction(operation: str, tensor: str) -> str:
    """smdebug's name of the reduction `operation` (such as abs_mean) of `tensor`."""
    return f"smdebug/reductions/{operation}/{tensor}"


def varint(value: int) -> bytes:
    """Protobuf varint, padded to VARINT bytes (parsers accept that; value < 2**35)."""
    groups = [(value >> 7 * index) & 0x7F for index in range(VARINT)]
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


def field(tag: int, content: bytes) -> bytes:
    """A length-delimited protobuf field with a padded length."""
    return bytes([tag]) + varint(len(content)) + content


def record(column: Column, mode: int) -> tuple[bytes, int]:
    """The Event record of one tensor with zeros for numbers, and where its event starts.

    The tensor's content is the last field, so that a reader finds it by counting from the end.
    """
    content = field(0x22, bytes(FLOAT * column.size))
    shape = field(0x12, field(0x12, b"\x08" + varint(column.size)))
    tensor = field(0x42, b"\x08\x01" + shape + content)  # dtype 1: float32
    plugins = field(0x0A, field(0x0A, b"mode_step") + field(0x12, b"0" * DIGITS))
    plugins += field(0x0A, field(0x0A, b"mode") + field(0x12, str(mode).encode()))
    value = field(0x4A, plugins) + field(0x0A, column.name.encode()) + tensor
    event = b"\x09" + bytes(8) + b"\x10" + varint(0) + field(0x2A, field(0x0A, value))
    length = struct.pack("<Q", len(event))
    header = length + struct.pack("<I", masked_crc32c(length))
    return header + event + FOOTER, len(header)


def masked_crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), masked as in TensorFlow's TFRecord format."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def content_of(raw: bytes, name: str) -> npt.NDArray[np.float32]:
    """The numbers of one record of this module's layout, shape [size], without parsing protobuf."""
    empty, _ = record(Column(name, 0), 1)
    return np.frombuffer(raw[len(empty) - len(FOOTER) : -len(FOOTER)], dtype=np.float32)


class StepTemplate:
    """The bytes of all records of one kind of step (same mode, same columns), to be filled in."""

    def __init__(self, mode: str, columns: Sequence[Column]) -> None:
        self.mode, code = MODES[mode]
        self.columns = tuple(columns)
        parts, lengths, times, steps, mode_steps, contents = [], [], [], [], [], []
        start = 0
        for column in self.columns:
            raw, event = record(column, code)
            time = start + event + 1
            times.append(np.arange(time, time + 8))
            steps.append(np.arange(time + 9, time + 9 + VARINT))
            digits = start + raw.index(b"0" * DIGITS, event)
            mode_steps.append(np.arange(digits, digits + DIGITS))
            end = start + len(raw) - len(FOOTER)
            contents.append(np.arange(end - FLOAT * column.size, end))
            parts.append(raw)
            lengths.append(len(raw))
            start += len(raw)
        self.bytes = np.frombuffer(b"".join(parts), dtype=np.uint8).copy()
        self.lengths = lengths
        self.times, self.steps = np.stack(times), np.stack(steps)
        self.mode_steps, self.contents = np.stack(mode_steps), np.concatenate(contents)
        entries = ", ".join(
            json.dumps({"tensorname": column.name, "start_idx": 0, "length": length}).replace(
                '"start_idx": 0', '"start_idx": %d'
            )
            for column, length in zip(self.columns, lengths, strict=True)
        )
        self.starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        self.entries = entries

    def fill(self, step: int, mode_step: int, time_s: float, content: bytes) -> bytes:
        """The step's records. `content` holds the columns' float32, one after the other."""
        out = self.bytes.copy()
        out[self.times] = np.frombuffer(struct.pack("<d", time_s), dtype=np.uint8)
        out[self.steps] = np.frombuffer(varint(step), dtype=np.uint8)
        out[self.mode_steps] = np.frombuffer(b"%0*d" % (DIGITS, mode_step), dtype=np.uint8)
        out[self.contents] = np.frombuffer(content, dtype=np.uint8)
        return out.tobytes()

    def index(self, mode_step: int, event_file: str, offset: int) -> str:
        """The step's index file, its records starting at `offset` of `event_file`."""
        meta = {"mode": self.mode, "mode_step": mode_step, "event_file_name": event_file}
        entries = self.entries % tuple((self.starts + offset).tolist())
        return f'{{"meta": {json.dumps(meta)}, "tensor_payload": [{entries}], "shape_payload": []}}'


class TrialFiles:
    """A trial folder being written. Steps become visible at flush, events before their index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records: list[bytes] = []
        self.waiting: list[tuple[int, int, StepTemplate, int]] = []  # step, mode step, kind, offset
        self.size = 0

    def add(
        self, template: StepTemplate, step: int, mode_step: int, time_s: float, content: bytes
    ) -> None:
        """Add one step."""
        raw = template.fill(step, mode_step, time_s, content)
        self.waiting.append((step, mode_step, template, self.size))
        self.records.append(raw)
        self.size += len(raw)

    def flush(self) -> None:
        """Write the steps added so far."""
        if not self.waiting:
            return
        first = f"{self.waiting[0][0]:0{DIGITS}d}"
        event_file = f"events/{first}/{first}_{WORKER}.tfevents"
        replace(self.folder / event_file, b"".join(self.records))
        for step, mode_step, template, offset in self.waiting:
            folder = self.folder / "index" / f"{step // STEPS_A_FOLDER:09d}"
            text = template.index(mode_step, event_file, offset)
            replace(folder / f"{step:0{DIGITS}d}_{WORKER}.json", text.encode())
        self.records.clear()
        self.waiting.clear()
        self.size = 0

    def end(self) -> None:
        """Flush, and mark the trial as complete."""
        self.flush()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / END_OF_JOB).touch()


def write_collections(folder: Path, collections: dict[str, dict[str, list[str]]]) -> None:
    """Write the file that smdebug's trial waits for.

    Args:
        folder: The trial's folder.
        collections: name -> {"tensor_names": [...], "include_regex": [...]}.
    """
    content = {
        "collections": {name: {"name": name, **parts} for name, parts in collections.items()},
        "_meta": {"num_workers": 1, "writer": WRITTEN_BY},
    }
    path = folder / "collections" / "000000000" / f"{WORKER}_collections.json"
    replace(path, json.dumps(content).encode())


def replace(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees either nothing or all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    temporary.rename(path)
