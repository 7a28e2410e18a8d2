"""What is counted adds up, and is named in observability."""

import json

import pytest
from classify import observability

from tests.unit.classify.test_backfill import listed
from tests.unit.classify.world import (
    World,
    message,
    messages,
    metrics_in,
    no_dog,
    record,
    throttled,
    unknown_breed,
)


def test_outcomes_add_up_to_the_uploads_answered(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    dog, text = world.upload("uploads/a.jpg"), world.upload("uploads/b.jpg", b"text")
    gone = record("uploads/gone.jpg", "1", None)
    folder = record("uploads/folder/", "2", None)
    world.deliver(*messages([dog, text, gone, folder, dog]))
    counted = metrics_in(capsys.readouterr().out)
    outcomes = {"Classified": 1, "Rejected": 1, "ObjectGone": 1, "Ignored": 1, "AlreadyAnswered": 1}
    assert {name: counted[name] for name in outcomes} == outcomes
    assert counted["UploadsAnswered"] == sum(outcomes.values()) == 5
    assert counted["EndpointCalls"] == 1


def test_emitted_metrics_are_the_ones_named_in_observability(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN batches that end in every way there is
    named = {
        value
        for name, value in vars(observability).items()
        if name.isupper() and name[0] != "_" and isinstance(value, str)
    }
    dog, text = world.upload("uploads/a.jpg"), world.upload("uploads/b.jpg", b"text")
    world.deliver(*messages([dog, text, record("uploads/gone.jpg", "1", None), dog]))
    world.endpoint.reply = lambda _index: no_dog()
    world.deliver(message(world.upload("uploads/c.jpg"), record("uploads/folder/", "2", None)))
    world.endpoint.reply = lambda _index: unknown_breed()
    world.deliver(message(world.upload("uploads/d.jpg")))
    world.deliver(message(body="?", receive_count=5))
    world.deliver(message(listed(world, key="uploads/e.jpg")))
    world.s3.faults["put_object"] = [throttled("PutObject")]
    sent = message(record("uploads/c.jpg", "3", None))
    world.deliver(sent, message(world.remove("uploads/a.jpg")))
    # THEN every name is used and no other one
    out = capsys.readouterr().out
    assert (
        set(metrics_in(out))
        == named
        == {
            "UploadsAnswered",
            "Classified",
            "UnknownBreed",
            "NoDog",
            "Rejected",
            "Deleted",
            "AlreadyAnswered",
            "ObjectGone",
            "Ignored",
            "RetriesReported",
            "RepeatedRetries",
            "EndpointCalls",
            "EndpointMilliseconds",
            "ThumbnailsLeftBehind",
            "BackfillAnswered",
        }
    )
    blobs = [json.loads(line) for line in out.splitlines()]
    directives = [blob["_aws"]["CloudWatchMetrics"][0] for blob in blobs if "_aws" in blob]
    assert {directive["Namespace"] for directive in directives} == {"breed-classifier"}
    assert all(directive["Dimensions"] == [["service"]] for directive in directives)
    assert all(blob["service"] == "classify" for blob in blobs)
