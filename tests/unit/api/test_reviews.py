"""Reviews: about one version, by one person, appended; what stands is on the row."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from api.identifiers import id_of
from api.wire import item_of
from botocore.exceptions import ClientError, EndpointConnectionError

from rigs.rows import NOW, make_deleted, make_rejected, make_row
from tests.unit.api.world import BOB, ONLOOKER, PROGRAM, World

REX = "uploads/rex.jpg"


def test_review_stands_on_the_row_beside_the_model_s_answer(world: World) -> None:
    before = make_row()
    world.put(before)
    answer = world.review("WRONG_BREED", "Boxer")
    assert answer.status == 200
    review = answer.body["review"]
    assert review == {
        "id": review["id"],
        "verdict": "WRONG_BREED",
        "breed": "Boxer",
        "by": "ann@example.com",
        "at": "2026-11-26T12:00:00.000000Z",
        "version": "0A",
    }
    row = world.row()
    assert {name: row[name] for name in before if name != "confidence_key"} == {
        name: value for name, value in before.items() if name != "confidence_key"
    }
    assert row["confidence_key"] == before["confidence_key"].replace("open", "done")
    assert (row["reviewed_in"], row["reviewed_at"]) == ("2026-11", review["at"])


def test_history_keeps_what_the_model_had_said_and_everything_that_people_said(
    world: World,
) -> None:
    world.put(make_row())
    world.review("RIGHT")
    world.review("UNSURE", caller=BOB)
    newest, oldest = world.history()
    assert [newest["verdict"], oldest["verdict"]] == ["UNSURE", "RIGHT"]
    assert oldest["answer"]["breed"] == "Pug"
    assert oldest["version_id"] == "v1"
    shown = world.get(f"/predictions/{id_of(REX)}").body
    assert [entry["by"] for entry in shown["history"]] == ["bob@example.com", "ann@example.com"]
    assert shown["review"]["verdict"] == "UNSURE"
    assert not any("by_id" in entry for entry in [*shown["history"], shown["review"]])


def test_same_word_once_more_changes_nothing(world: World) -> None:
    world.put(make_row())
    first = world.review("NEW_BREED", "Elo")
    again = world.review("NEW_BREED", " Elo ")
    assert again.body == first.body
    assert len(world.history()) == 1
    # Another person's same word is another word
    world.review("NEW_BREED", "Elo", caller=BOB)
    assert len(world.history()) == 2


def test_photo_that_was_replaced_is_not_reviewed_and_the_new_one_is_shown(world: World) -> None:
    world.put(make_row(sequencer="0B", breed="Boxer"))
    answer = world.review("RIGHT", version="0A")
    assert answer.status == 412
    assert answer.body["current"]["version"] == "0B"
    assert answer.body["current"]["breed"] == "Boxer"
    assert world.history() == []


def test_photo_that_is_replaced_in_the_very_moment_is_not_reviewed(world: World) -> None:
    world.put(make_row())
    world.dynamodb.before_write = [lambda: world.put(make_row(sequencer="0B"))]
    assert world.review("RIGHT").status == 412
    assert world.history() == []
    assert "review" not in world.row()


@pytest.mark.parametrize(
    ("row", "status"), [(None, 404), (make_rejected(REX), 409), (make_deleted(REX, "0A"), 409)]
)
def test_nothing_to_review_is_said_in_words(world: World, row: Any, status: int) -> None:
    if row:
        world.put(row)
    answer = world.review("RIGHT")
    assert (answer.status, answer.body["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.body["detail"]) > 20


def test_two_people_at_once_both_stay_and_the_later_one_stands(world: World) -> None:
    world.put(make_row())
    world.dynamodb.before_write = [lambda: asked(world.review("UNSURE", caller=BOB))]
    answer = world.review("RIGHT")
    assert answer.status == 200
    assert [entry["by"] for entry in world.history()] == ["ann@example.com", "bob@example.com"]
    assert world.row()["review"]["verdict"] == "RIGHT"
    assert world.tallies() == {"reviewed": 1}


def asked(answer: Any) -> None:
    assert answer.status == 200


def test_clock_that_goes_back_does_not_change_the_order(world: World) -> None:
    world.put(make_row())
    world.review("RIGHT")
    world.clock[0] = NOW - timedelta(minutes=5)
    world.review("UNSURE", caller=BOB)
    assert [entry["verdict"] for entry in world.history()] == ["UNSURE", "RIGHT"]


def test_undone_word_gives_way_to_what_stood_before(world: World) -> None:
    world.put(make_row())
    world.review("UNSURE", caller=BOB)
    world.review("RIGHT")
    answer = world.review("UNDONE")
    assert answer.body["review"]["verdict"] == "UNSURE"
    assert answer.body["review"]["by"] == "bob@example.com"
    assert len(world.history()) == 3
    assert world.review("UNDONE", caller=BOB).status == 200
    row = world.row()
    assert not {"review", "reviewed_in", "reviewed_at"} & set(row)
    assert row["confidence_key"].startswith("open#")
    assert world.tallies() == {}


def test_word_under_somebody_else_s_is_undone_without_a_change_of_what_stands(world: World) -> None:
    world.put(make_row())
    world.review("RIGHT")
    world.review("UNSURE", caller=BOB)
    assert world.review("UNDONE").body["review"]["verdict"] == "UNSURE"
    assert "review" not in world.review("UNDONE", caller=BOB).body


def test_nobody_takes_back_another_s_word(world: World) -> None:
    world.put(make_row())
    said = world.review("RIGHT").body["review"]["id"]
    assert world.review("UNDONE", caller=BOB).status == 409
    assert world.review("UNDONE", caller=BOB, undoes=said).status == 409
    assert world.row()["review"]["id"] == said


def test_undoing_a_named_word_may_be_repeated(world: World) -> None:
    world.put(make_row())
    world.review("UNSURE")
    said = world.review("RIGHT").body["review"]["id"]
    first = world.review("UNDONE", undoes=said)
    again = world.review("UNDONE", undoes=said)
    assert first.body["review"]["verdict"] == "UNSURE"
    assert again.body == first.body
    assert world.review("UNDONE").status == 200
    assert world.review("UNDONE").status == 409


def test_words_about_an_older_version_do_not_stand_and_are_not_undone(world: World) -> None:
    world.put(make_row())
    world.review("RIGHT")
    world.put(make_row(sequencer="0B"))
    assert world.review("UNDONE", version="0B").status == 409
    assert [entry["version"] for entry in world.history()] == ["0A"]


def test_sampled_photo_leaves_the_sample_s_queue_and_comes_back_when_undone(world: World) -> None:
    row = make_row(sample=True)
    world.put(row)
    assert [item["key"] for item in world.get("/queue").body["items"]] == [REX]
    world.review("RIGHT")
    assert world.get("/queue").body["items"] == []
    assert "sample_key" not in world.row()
    world.review("UNDONE")
    back = {name: value for name, value in world.row().items() if name != "last_review"}
    assert back == row


@pytest.mark.parametrize(
    ("breed", "verdict", "named", "right"),
    [
        ("Pug", "RIGHT", None, 1),
        ("Pug", "WRONG_BREED", "Boxer", 0),
        ("Pug", "NEW_BREED", "Elo", 0),
        ("Pug", "NO_DOG", None, 0),
        (None, "NO_DOG", None, 1),
        (None, "RIGHT", None, 1),
        (None, "WRONG_BREED", "Boxer", 0),
        ("unknown", "RIGHT", None, 1),
        ("unknown", "NEW_BREED", "Elo", 1),
        ("unknown", "WRONG_BREED", "Pug", 0),
        ("unknown", "WRONG_BREED", "Boxer", 0),
        ("unknown", "NO_DOG", None, 0),
    ],
)
def test_accuracy_counts_the_sample_s_reviews(
    world: World, breed: str | None, verdict: str, named: str | None, right: int
) -> None:
    row = make_row(breed=breed, sample=True)
    if breed == "unknown":
        row = make_row(breed="Pug", sample=True, unknown=True)
    world.put(row, make_row("uploads/other.jpg"))
    asked(world.review(verdict, named))
    asked(world.review("RIGHT", key="uploads/other.jpg"))
    summary = world.get("/summary").body
    assert summary["reviewed"] == 2
    assert (summary["accuracy"]["sample"], summary["accuracy"]["right"]) == (1, right)
    asked(world.review("UNSURE"))
    assert world.get("/summary").body["accuracy"] is None


def test_breed_that_the_model_knows_is_no_new_one_of_an_unknown_breed(world: World) -> None:
    world.put(make_row(unknown=True), make_row("uploads/other.jpg", "Borzoi"))
    for known in ("Boxer", "Borzoi"):
        refused = world.review("NEW_BREED", known)
        assert refused.status == 409
        assert "the verdict for that is WRONG_BREED" in refused.body["detail"]
        asked(world.review("WRONG_BREED", known))
    assert world.review("WRONG_BREED", "Elo").status == 409


def test_unknown_breed_is_shown_with_its_novelty_and_kept_with_what_was_said(world: World) -> None:
    world.put(make_row(unknown=True, novelty=0.985))
    shown = world.review("NEW_BREED", "Elo").body
    assert (shown["status"], shown["novelty"]) == ("UNKNOWN_BREED", 0.985)
    assert "breed" not in shown
    (entry,) = world.history()
    assert entry["answer"]["status"] == "UNKNOWN_BREED"
    assert entry["answer"]["novelty"] == Decimal("0.985")
    assert world.row()["confidence_key"] == "done#2026-11#unknown"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"verdict": "RIGHT"}, "version"),
        ({"version": "0A"}, "verdict"),
        ({"version": "0A", "verdict": "MAYBE"}, "verdict"),
        ({"version": 1, "verdict": "RIGHT"}, "version"),
        ({"version": "0A", "verdict": "RIGHT", "breed": "Pug"}, "breed"),
        ({"version": "0A", "verdict": "NEW_BREED"}, "breed"),
        ({"version": "0A", "verdict": "NEW_BREED", "breed": "  "}, "breed"),
        ({"version": "0A", "verdict": "NEW_BREED", "breed": "x" * 65}, "breed"),
        ({"version": "0A", "verdict": "NEW_BREED", "breed": "a\nb"}, "breed"),
        ({"version": "0A", "verdict": "NEW_BREED", "breed": "\ud800"}, "breed"),
        ({"version": "0A", "verdict": "RIGHT", "undoes": "x"}, "undoes"),
        ({"version": "0A", "verdict": "RIGHT", "note": "x"}, "note"),
    ],
)
def test_body_that_cannot_be_used_is_refused_by_name(
    world: World, body: dict[str, Any], field: str
) -> None:
    world.put(make_row())
    answer = world.ask("PUT", f"/predictions/{id_of(REX)}/review", body=body)
    assert answer.status == 422
    assert [each["field"] for each in answer.body["errors"]] == [field]
    assert world.history() == []


@pytest.mark.parametrize(
    ("text", "status"),
    [("", 400), ("{", 400), ("[" * 100_000, 400), ("[]", 422), ('"' + "x" * 300_000 + '"', 413)],
)
def test_body_that_is_no_object_is_refused(world: World, text: str, status: int) -> None:
    assert world.ask("PUT", f"/predictions/{id_of(REX)}/review", body=text).status == status


def test_breed_that_the_model_has_shown_elsewhere_is_known(world: World) -> None:
    world.put(make_row())
    assert world.review("WRONG_BREED", "Whippet").status == 409
    world.put(make_row("uploads/other.jpg", breed="Whippet"))
    assert world.review("WRONG_BREED", "Whippet").status == 200


@pytest.mark.parametrize(("breed", "verdict"), [("Pug", "RIGHT"), ("Unicorn", "NEW_BREED")])
def test_breed_that_goes_with_another_verdict_is_told_which(
    world: World, breed: str, verdict: str
) -> None:
    world.put(make_row())
    answer = world.review("WRONG_BREED", breed)
    assert answer.status == 409
    assert verdict in answer.body["detail"]
    assert world.history() == []


def test_many_reviews_each_have_their_own_outcome(world: World) -> None:
    world.put(make_row("uploads/a.jpg"), make_row("uploads/b.jpg"), make_rejected("uploads/c.txt"))
    reviews = [
        {"key": "uploads/a.jpg", "version": "0A", "verdict": "RIGHT"},
        {"key": "uploads/b.jpg", "version": "09", "verdict": "RIGHT"},
        {"key": "uploads/c.txt", "version": "0A", "verdict": "RIGHT"},
        {"key": "uploads/d.jpg", "version": "0A", "verdict": "RIGHT"},
    ]
    answer = world.ask("POST", "/reviews", body={"reviews": reviews})
    assert answer.status == 200
    assert [each["status"] for each in answer.body["results"]] == [200, 412, 409, 404]
    assert answer.body["results"][0]["prediction"]["review"]["verdict"] == "RIGHT"
    assert answer.body["results"][1]["problem"]["current"]["version"] == "0A"


def test_key_that_is_named_twice_is_reviewed_in_order(world: World) -> None:
    world.put(make_row())
    one = {"key": REX, "version": "0A", "verdict": "RIGHT"}
    answer = world.ask("POST", "/reviews", body={"reviews": [one, one | {"verdict": "UNSURE"}]})
    assert [each["status"] for each in answer.body["results"]] == [200, 200]
    assert world.row()["review"]["verdict"] == "UNSURE"


def test_more_than_a_hundred_are_refused(world: World) -> None:
    one = {"key": "uploads/a.jpg", "version": "0A", "verdict": "RIGHT"}
    assert world.ask("POST", "/reviews", body={"reviews": [one] * 101}).status == 422
    assert world.ask("POST", "/reviews", body={"reviews": []}).status == 422


@pytest.mark.parametrize("path", ["/reviews", "/uploads", f"/predictions/{id_of(REX)}/review"])
def test_who_only_looks_may_not_write(world: World, path: str) -> None:
    method = "PUT" if path.endswith("review") else "POST"
    answer = world.ask(method, path, ONLOOKER, {})
    assert answer.status == 403
    assert "reviewers" in answer.body["detail"]


def test_program_reviews_under_its_client_s_name(world: World) -> None:
    world.put(make_row())
    assert world.review("RIGHT", caller=PROGRAM).body["review"]["by"] == "program"


def test_conflict_with_another_transaction_is_tried_again(world: World) -> None:
    def busy() -> None:
        raise ClientError(
            {
                "Error": {"Code": "TransactionCanceledException", "Message": ""},
                "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}],
            },
            "TransactWriteItems",
        )

    world.put(make_row())
    world.dynamodb.before_write = [busy] * 3
    assert world.review("RIGHT").status == 200
    world.dynamodb.before_write = [busy] * 20
    answer = world.review("UNSURE")
    assert answer.status == 503
    assert answer.headers["retry-after"] == "2"
    assert len(world.history()) == 1


def test_table_that_does_not_answer_is_a_503(world: World) -> None:
    world.dynamodb.faults = [EndpointConnectionError(endpoint_url="x")] * 10
    assert world.get("/predictions").status == 503


def test_row_of_another_making_can_be_reviewed(world: World) -> None:
    row = make_row()
    del row["confidence_key"]
    world.dynamodb.put_item(TableName="predictions", Item=item_of(row))
    assert world.review("RIGHT").status == 200
