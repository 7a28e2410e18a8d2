"""Where the time went: every moment of the job, charged to one category.

A step belongs to its phases, and what no phase covered to "loop". A phase between steps (features,
eval, checkpoint, ...) owns all that runs inside it; the phases in there are its parts. What lies
before the first phase is "start-up" (interpreter and imports), what nobody timed is "other".
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from training.profiler.recording import Recording, Sample, Span, Step
from training.profiler.timings import OUTSIDE

START_UP, LOOP, OTHER = "start-up", "loop", "other"
# Categories in the order in which a job meets them, for every table and picture.
CATEGORIES = (
    START_UP,
    "initialisation",
    "features",
    "data",
    "forward",
    "backward",
    "optimizer",
    "hook",
    LOOP,
    "eval",
    "checkpoint",
    "finalisation",
    "profiler",
    OTHER,
)
# The files have whole microseconds: an inner phase may seem to end after the outer one.
_ROUNDING_S = 2e-6


@dataclass(frozen=True)
class Piece:
    """Seconds of one activity, spread evenly over a stretch of time.

    Negative where the time of an outer phase is given to an inner one.
    """

    category: str
    activity: str
    start_s: float
    end_s: float
    seconds: float


@dataclass(frozen=True)
class Share:
    """The seconds of one category and of the activities inside it."""

    category: str
    seconds: float
    parts: dict[str, float]


@dataclass(frozen=True)
class Timeline:
    """One recording, cut into categories. Times are seconds since the epoch."""

    recording: Recording
    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, recording: Recording) -> "Timeline":
        """Cut `recording` into pieces."""
        pieces = tuple(_pieces(recording))
        first_s = min((piece.start_s for piece in pieces), default=recording.start_s)
        start_up = Piece(
            START_UP, START_UP, recording.start_s, first_s, first_s - recording.start_s
        )
        return cls(recording, (start_up, *pieces))

    @property
    def train_steps(self) -> list[Step]:
        """The training steps."""
        return [step for step in self.recording.steps if step.mode == "train"]

    @cached_property
    def loop_start_s(self) -> float:
        """Start of the first training step (of any step, where no training was recorded)."""
        steps = self.train_steps or self.recording.steps
        return steps[0].start_s if steps else self.recording.end_s

    @cached_property
    def loop_end_s(self) -> float:
        """End of the last step; the loop is empty when there was none."""
        steps = self.recording.steps
        return max(steps[-1].end_s, self.loop_start_s) if steps else self.recording.end_s

    @property
    def loop_samples(self) -> list[Sample]:
        """The system samples of the training loop."""
        return [
            sample
            for sample in self.recording.samples
            if self.loop_start_s <= sample.at_s <= self.loop_end_s
        ]

    @cached_property
    def shares(self) -> tuple[Share, ...]:
        """Seconds of every category that has any, in the order of CATEGORIES; they sum to the job.

        Should the timed pieces overlap to more than the job's duration, "other" is 0.
        """
        totals: dict[str, dict[str, float]] = {}
        for piece in self.pieces:
            parts = totals.setdefault(piece.category, {})
            parts[piece.activity] = parts.get(piece.activity, 0.0) + piece.seconds
        timed_s = sum(sum(parts.values()) for parts in totals.values())
        totals[OTHER] = {OTHER: max(self.recording.seconds - timed_s, 0.0)}
        shares = [Share(name, sum(parts.values()), parts) for name, parts in totals.items()]
        return tuple(
            share
            for share in sorted(shares, key=lambda share: CATEGORIES.index(share.category))
            if share.seconds > _ROUNDING_S
        )

    def seconds(self, *categories: str) -> float:
        """Seconds of the categories."""
        return sum(share.seconds for share in self.shares if share.category in categories)

    def slices(
        self, edges: Sequence[float], *, by_activity: bool = False
    ) -> list[dict[str, float]]:
        """Seconds of every category (or activity) between consecutive `edges` (ascending)."""
        slices: list[dict[str, float]] = [{} for _ in edges[1:]]
        for piece in self.pieces:
            name = piece.activity if by_activity else piece.category
            length_s = piece.end_s - piece.start_s
            first = max(bisect_right(edges, piece.start_s) - 1, 0)
            last = min(bisect_left(edges, piece.end_s), len(slices))
            for number in range(first, max(last, min(first + 1, len(slices)))):
                common_s = min(piece.end_s, edges[number + 1]) - max(piece.start_s, edges[number])
                if common_s < 0:
                    continue
                part = common_s / length_s if length_s > 0 else 1.0
                cell = slices[number]
                cell[name] = cell.get(name, 0.0) + piece.seconds * part
        return slices


def _pieces(recording: Recording) -> Iterator[Piece]:
    """Walk over phases and steps in the order of their starts; the stack holds what is open."""
    intervals: list[Span | Step] = [*recording.spans, *recording.steps]
    intervals.sort(key=lambda interval: (interval.start_s, -interval.end_s))
    open_: list[Span] = []
    for interval in intervals:
        while open_ and open_[-1].end_s <= interval.start_s + _ROUNDING_S:
            open_.pop()
        outer = next((span for span in reversed(open_) if span.name in OUTSIDE), None)
        if isinstance(interval, Step):
            yield from _step_pieces(interval, outer)
            continue
        category = interval.name if interval.name in OUTSIDE or outer is None else outer.name
        yield _piece(category, interval.name, interval)
        if open_:  # the inner phase's time is not the outer one's
            parent = open_[-1]
            owner = parent.name if parent.name in OUTSIDE or outer is None else outer.name
            yield _piece(owner, parent.name, interval, -interval.seconds)
        open_.append(interval)


def _step_pieces(step: Step, outer: Span | None) -> Iterator[Piece]:
    """A step's phases; those of an evaluation step are parts of "eval"."""
    owner = outer.name if outer else "eval" if step.mode == "eval" else None
    for phase, seconds in step.phases.items():
        yield _piece(owner or phase, phase, step, seconds)
    timed_s = sum(step.phases.values())
    if owner is None:
        yield _piece(LOOP, LOOP, step, max(step.seconds - timed_s, 0.0))
    elif outer is None:
        yield _piece(owner, owner, step, max(step.seconds - timed_s, 0.0))
    else:  # the outer phase keeps the rest
        yield _piece(owner, owner, step, -timed_s)


def _piece(
    category: str, activity: str, interval: Span | Step, seconds: float | None = None
) -> Piece:
    length_s = interval.seconds if seconds is None else seconds
    return Piece(category, activity, interval.start_s, interval.end_s, length_s)
