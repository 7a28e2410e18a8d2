"""What the endpoint's answer, or its lack, becomes in the table."""

import re
from decimal import Decimal

import pytest

from tests.unit.classify.world import (
    World,
    message,
    messages,
    no_dog,
    picture,
    prediction,
    settings_with,
    unknown_breed,
)


def test_photo_of_a_dog_becomes_a_complete_row(world: World) -> None:
    sent = world.upload("uploads/my dog.jpg", picture(size=(60, 40)))
    assert world.deliver(message(sent)) == []
    row = world.row("uploads/my dog.jpg")
    assert row.pop("classified_at").endswith("Z")
    assert row.pop("latency_ms") > 0
    assert re.fullmatch(r"\d{4}-\d\d#[0-3]", row["month_shard"])
    assert row.pop("confidence_key").startswith(f"open#{row.pop('month_shard')[:7]}#")
    for name in ("sample", "sample_key", "sample_order"):
        row.pop(name, None)
    assert row.pop("look").keys() == {"brightness", "saturation", "sharpness"}
    (thumbnail,) = world.thumbnails()
    assert row.pop("thumbnail") == thumbnail
    assert row == {
        "image_key": "uploads/my dog.jpg",
        "status": "CLASSIFIED",
        "breed": "Pug",
        "confidence": Decimal("0.875"),
        "dog_probability": Decimal("0.99"),
        "top": [
            {"label": "Pug", "probability": Decimal("0.875")},
            {"label": "Boxer", "probability": Decimal("0.0625")},
        ],
        "model_version": "sha256:abc",
        "variant": "AllTraffic",
        "sequencer": sent["s3"]["object"]["sequencer"].ljust(32, "0"),
        "version_id": sent["s3"]["object"]["versionId"],
        "etag": "d41d8cd98f00b204e9800998ecf8427e",
        "size_bytes": sent["s3"]["object"]["size"],
        "width": 60,
        "height": 40,
    }


def test_photo_without_a_dog_has_no_breed_but_its_confidence(world: World) -> None:
    world.endpoint.reply = lambda _index: no_dog()
    assert world.deliver(message(world.upload())) == []
    row = world.row()
    assert (row["status"], row["confidence"]) == ("NO_DOG", Decimal("0.75"))
    assert "breed" not in row
    assert row["top"]
    assert row["status_month"] == f"NO_DOG#{row['month_shard']}"


def test_dog_of_an_unknown_breed_has_none_but_the_nearest_ones(world: World) -> None:
    world.endpoint.reply = lambda _index: unknown_breed()
    assert world.deliver(message(world.upload())) == []
    row = world.row()
    assert (row["status"], row["novelty"]) == ("UNKNOWN_BREED", Decimal("0.985"))
    assert "breed" not in row
    assert (row["confidence"], row["top"][0]["label"]) == (Decimal("0.875"), "Pug")
    assert row["status_month"] == f"UNKNOWN_BREED#{row['month_shard']}"


def test_classified_row_has_its_novelty_where_the_model_measures_it(world: World) -> None:
    world.endpoint.reply = lambda _index: prediction() | {"novelty": 0.25, "unknown": False}
    world.deliver(message(world.upload()))
    row = world.row()
    assert (row["status"], row["breed"], row["novelty"]) == ("CLASSIFIED", "Pug", Decimal("0.25"))


def test_model_without_a_dog_score_leaves_the_attribute_out(world: World) -> None:
    bare = prediction()
    del bare["dog_probability"]
    world.endpoint.reply = lambda _index: bare
    world.deliver(message(world.upload()))
    assert "dog_probability" not in world.row()


def test_text_named_jpg_is_rejected_with_its_reason(world: World) -> None:
    assert world.deliver(message(world.upload(data=b"hello, not a dog"))) == []
    row = world.row()
    assert (row["status"], row["reason"]["code"]) == ("REJECTED", "NOT_AN_IMAGE")
    assert row["status_month"] == f"REJECTED#{row['month_shard']}"
    assert not {"breed", "confidence", "top", "model_version", "variant"} & row.keys()
    assert not {"confidence_key", "thumbnail", "sample"} & row.keys()
    assert world.endpoint.calls == []


def test_object_over_the_limit_is_rejected_unread(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = settings_with(max_object_bytes=500)
    monkeypatch.setattr("classify.handler.PORTS", world.ports(limited))
    sent = world.upload(data=b"x" * 501)
    assert world.deliver(message(sent)) == []
    assert world.row()["reason"]["code"] == "TOO_LARGE"


def test_batch_of_ten_costs_one_endpoint_call(world: World) -> None:
    sent = [world.upload(f"uploads/{index}.jpg") for index in range(10)]
    assert world.deliver(*messages(sent)) == []
    assert world.endpoint.calls == [10]
    assert len(world.rows()) == 10


def test_predictions_reach_their_own_photos_when_some_are_rejected(world: World) -> None:
    # GIVEN a batch in which the second and fourth are no images
    sent = [
        world.upload(f"uploads/{index}.jpg", picture() if index % 2 == 0 else b"text")
        for index in range(5)
    ]
    world.endpoint.reply = lambda index: prediction(f"Breed {index}")
    world.deliver(*messages(sent))
    # THEN the rest got the answers in their own order
    rows = world.rows()
    assert [rows[f"uploads/{index}.jpg"].get("breed") for index in range(5)] == [
        "Breed 0",
        None,
        "Breed 1",
        None,
        "Breed 2",
    ]


def test_rows_expire_only_when_told_to(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deliver(message(world.upload("uploads/a.jpg")))
    monkeypatch.setattr("classify.handler.SETTINGS", settings_with(retention_days=30))
    world.deliver(message(world.upload("uploads/b.jpg", b"text")))
    rows = world.rows()
    assert "expires_at" not in rows["uploads/a.jpg"]
    assert rows["uploads/b.jpg"]["expires_at"] > 1_700_000_000
