"""Overwritten, deleted, put again, answered again, reviewed by two, undone: in any order nothing
that anybody said is lost, and none of it lands on another photo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from api.people import Caller
from api.problems import ProblemError
from api.reviewing import Change, Outcome, Ports, Said, Verdict, review, version_of
from classify.table import ANSWER
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rigs.rows import NOW, make_answered_again, make_deleted, make_rejected, make_row

Row = dict[str, Any]
KEYS = ("uploads/a.jpg", "uploads/b.jpg")
PEOPLE = tuple(Caller(f"id of {name}", name, True) for name in ("ann", "bob", "cy"))
WORDS = (
    (Verdict.RIGHT, None),
    (Verdict.NO_DOG, None),
    (Verdict.UNSURE, None),
    (Verdict.WRONG_BREED, "Beagle"),
    (Verdict.NEW_BREED, "Elo"),
)


@dataclass
class Memory:
    """The three tables, with the conditions of their writes."""

    rows: dict[str, Row] = field(default_factory=dict)
    entries: dict[str, list[Row]] = field(default_factory=dict)
    tallies: dict[str, int] = field(default_factory=dict)
    # What others do right before the next write.
    meanwhile: list[Callable[[], None]] = field(default_factory=list)
    ticks: int = 0

    def ports(self) -> Ports:
        return Ports(
            read_row=lambda key: self.rows.get(key),
            history=self.history,
            write=self.write,
            knows_breed=lambda breed: breed != "Elo",
            now=self.now,
            pause=lambda _attempt: None,
        )

    def now(self) -> Any:
        # A clock that now and then stands still or goes back.
        self.ticks += 1
        return NOW + timedelta(microseconds=self.ticks // 3 - (self.ticks % 5 == 0) * 7)

    def history(self, key: str) -> Iterator[Row]:
        return iter(sorted(self.entries.get(key, ()), key=lambda e: e["review_id"], reverse=True))

    def write(self, change: Change) -> Outcome:
        if self.meanwhile:
            self.meanwhile.pop()()
        key = change.row["image_key"]
        row = self.rows[key]
        seen = ("sequencer", "status", "last_review", "answered")
        if any(row.get(name) != change.row.get(name) for name in seen):
            return Outcome.CHANGED
        assert change.entry["review_id"] > row.get("last_review", "")
        self.entries.setdefault(key, []).append(change.entry)
        self.rows[key] = change.changed_row()
        for name, count in change.tally.items():
            self.tallies[name] = self.tallies.get(name, 0) + count
        return Outcome.WRITTEN

    def classify(self, row: Row) -> None:
        """As the classify function writes: a row gives way to a greater sequencer only."""
        before = self.rows.get(row["image_key"])
        if before is None or before["sequencer"] < row["sequencer"]:
            self.rows[row["image_key"]] = row

    def answer_again(self, row: Row) -> None:
        """As the classify function replaces an answer: what people said stays, and of which one."""
        before = self.rows[row["image_key"]]
        kept = {name: value for name, value in before.items() if name not in ANSWER}
        if "review" in kept:
            kept["review"] = {"answer": row["previous"]} | kept["review"]
        self.rows[row["image_key"]] = kept | row


def standing(entries: list[Row]) -> Row | None:
    """The newest word that nobody took back: told once more, without the function's code."""
    taken_back = {entry["undoes"] for entry in entries if entry["verdict"] == "UNDONE"}
    left = [
        entry
        for entry in entries
        if entry["verdict"] != "UNDONE" and entry["review_id"] not in taken_back
    ]
    return max(left, key=lambda entry: entry["review_id"], default=None)


class AnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory()
        self.sequence = 16
        self.models = 0
        self.pending: list[Row] = []
        self.answers: dict[tuple[str, str], Row] = {}
        self.accepted: list[tuple[str, str, str, str]] = []

    def event(self, row: Row) -> None:
        """Delivered at once, or later, or twice: whoever calls chooses from `pending`."""
        self.answers[row["image_key"], row["sequencer"]] = row
        self.pending.append(row)

    def next_sequencer(self) -> str:
        self.sequence += 1
        return f"{self.sequence:04X}"

    @rule(
        key=st.sampled_from(KEYS),
        breed=st.sampled_from(["Pug", None]),
        sample=st.booleans(),
        unknown=st.booleans(),
    )
    def put(self, key: str, breed: str | None, sample: bool, unknown: bool = False) -> None:
        new = self.next_sequencer()
        unknown = unknown and breed is not None
        self.event(make_row(key, breed, sequencer=new, sample=sample, unknown=unknown))
        self.memory.classify(self.pending[-1])

    @rule(key=st.sampled_from(KEYS), kind=st.sampled_from(["deleted", "rejected", "late"]))
    def other_event(self, key: str, kind: str) -> None:
        sequencer = self.next_sequencer()
        if kind == "late":
            self.event(make_row(key, sequencer=sequencer))  # its answer is still to come
            return
        row = (
            make_deleted(key, sequencer)
            if kind == "deleted"
            else make_rejected(key, NOW, sequencer)
        )
        self.event(row)
        self.memory.classify(row)

    @rule(key=st.sampled_from(KEYS), breed=st.sampled_from(["Pug", "Beagle", None, "unknown"]))
    def answer_again(self, key: str, breed: str | None) -> None:
        row = self.memory.rows.get(key)
        if row is None or row["status"] in ("DELETED", "REJECTED"):
            return
        self.models += 1
        self.memory.answer_again(make_answered_again(row, breed, f"sha256:{self.models}"))
        self.answers[key, row["sequencer"]] = self.memory.rows[key]

    @rule(choice=st.integers(0, 50))
    def deliver_again(self, choice: int) -> None:
        if self.pending:
            self.memory.classify(self.pending[choice % len(self.pending)])

    @rule(key=st.sampled_from(KEYS), who=st.sampled_from(PEOPLE), word=st.sampled_from(WORDS))
    def say(self, key: str, who: Caller, word: tuple[Verdict, str | None]) -> None:
        self.speak(key, who, *word)

    @rule(key=st.sampled_from(KEYS), who=st.sampled_from(PEOPLE), named=st.integers(-1, 5))
    def undo(self, key: str, who: Caller, named: int) -> None:
        entries = self.memory.entries.get(key, [])
        undoes = entries[named % len(entries)]["review_id"] if entries and named >= 0 else None
        self.speak(key, who, Verdict.UNDONE, undoes=undoes)

    @rule(
        key=st.sampled_from(KEYS),
        two=st.lists(st.sampled_from(PEOPLE), min_size=2, max_size=2, unique=True),
        words=st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS)),
        undoing=st.tuples(st.booleans(), st.booleans()),
        other_row=st.sampled_from(["the same", "replaced", "answered again"]),
    )
    def two_at_once(
        self,
        key: str,
        two: list[Caller],
        words: tuple[tuple[Verdict, str | None], tuple[Verdict, str | None]],
        undoing: tuple[bool, bool],
        other_row: str,
    ) -> None:
        def other() -> None:
            if other_row == "replaced":
                self.put(key, "Pug", sample=True)
            if other_row == "answered again":
                self.answer_again(key, "Beagle")
            if undoing[1]:
                self.speak(key, two[1], Verdict.UNDONE)
            else:
                self.speak(key, two[1], *words[1])

        self.memory.meanwhile = [other]
        if undoing[0]:
            self.speak(key, two[0], Verdict.UNDONE)
        else:
            self.speak(key, two[0], *words[0])
        self.memory.meanwhile = []

    def speak(
        self,
        key: str,
        who: Caller,
        verdict: Verdict,
        breed: str | None = None,
        undoes: str | None = None,
    ) -> None:
        """About what the person sees: the row at this moment."""
        shown = self.memory.rows.get(key, {})
        seen = version_of(shown) if shown else "none"
        count = len(self.memory.entries.get(key, []))
        try:
            row = review(key, Said(seen, verdict, breed, undoes), who, self.memory.ports(), dict)
        except ProblemError:  # nothing to review, replaced, or nothing to take back
            return
        assert version_of(row) == seen
        if len(self.memory.entries.get(key, [])) > count:
            # The last entry is this one: another's came before it.
            entry = self.memory.entries[key][-1]
            if entry["by_id"] == who.id and entry["verdict"] == verdict:
                assert entry["version"] == shown["sequencer"]
                assert entry["answer"]["model_version"] == shown["model_version"]

    @invariant()
    def nothing_that_was_said_is_lost_or_changed(self) -> None:
        told = [
            (key, entry["review_id"], entry["verdict"], entry["by_id"])
            for key in KEYS
            for entry in self.memory.entries.get(key, ())
        ]
        assert set(self.accepted) <= set(told)
        self.accepted = told

    @invariant()
    def only_a_person_s_own_word_is_taken_back_and_only_once(self) -> None:
        for entries in self.memory.entries.values():
            words = {entry["review_id"]: entry for entry in entries}
            undos = [entry for entry in entries if entry["verdict"] == "UNDONE"]
            assert len({entry["undoes"] for entry in undos}) == len(undos)
            for entry in undos:
                word = words[entry["undoes"]]
                assert (word["by_id"], word["version"]) == (entry["by_id"], entry["version"])
                assert word["verdict"] != "UNDONE"

    @invariant()
    def what_stands_is_the_newest_word_about_this_very_version(self) -> None:
        for key, row in self.memory.rows.items():
            entries = [
                entry
                for entry in self.memory.entries.get(key, ())
                if entry["version"] == row["sequencer"]
            ]
            found = standing(entries)
            if row["status"] not in ("CLASSIFIED", "UNKNOWN_BREED", "NO_DOG"):
                assert "review" not in row
                continue
            if found is None:
                assert not {"review", "reviewed_in", "reviewed_at"} & set(row)
            else:
                assert row["review"]["id"] == found["review_id"]
                assert row["review"]["version"] == row["sequencer"]
                assert row["reviewed_at"] == found["at"]
            state = "open" if found is None else "done"
            assert row["confidence_key"].startswith(f"{state}#")
            assert ("sample_key" in row) == (bool(row.get("sample")) and found is None)

    @invariant()
    def model_s_answer_is_as_it_was(self) -> None:
        for key, row in self.memory.rows.items():
            answer = self.answers[key, row["sequencer"]]
            names = "status", "breed", "confidence", "novelty", "top", "classified_at", "sample"
            for name in names:
                assert row.get(name) == answer.get(name)

    @invariant()
    def counts_are_those_of_the_words_that_stand(self) -> None:
        counted: dict[str, int] = {}
        for (key, version), answer in self.answers.items():
            entries = [
                entry for entry in self.memory.entries.get(key, ()) if entry["version"] == version
            ]
            if (found := standing(entries)) is None:
                continue
            names = ["reviewed"]
            if answer.get("sample") and found["verdict"] != "UNSURE":
                # Of the answer that the person saw, whatever a model has said since.
                of = found["answer"]
                same = {"NO_DOG": "NO_DOG", "UNKNOWN_BREED": "NEW_BREED"}.get(of["status"])
                told = ["sample", "right"] if found["verdict"] in ("RIGHT", same) else ["sample"]
                names += [*told, *(f"{name}@{of['model_version']}" for name in told)]
            if found["verdict"] == "NEW_BREED":
                names.append(f"new:{found['breed']}")
            for name in names:
                counted[name] = counted.get(name, 0) + 1
        assert {name: count for name, count in self.memory.tallies.items() if count} == counted


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=2000,
    stateful_step_count=16,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
