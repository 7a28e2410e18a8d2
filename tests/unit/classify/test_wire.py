"""Requests to the endpoint: split by size, in order."""

import base64
import itertools
import json

import pytest
from classify import wire
from classify.errors import RetryableError
from classify.wire import request_body, split
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.classify.world import Json


@given(st.lists(st.binary(max_size=400), max_size=20), st.integers(100, 1000))
def test_batch_is_split_so_that_each_body_fits_and_none_is_lost(
    jpegs: list[bytes], limit: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "MAX_BODY_BYTES", limit)
        runs = split(jpegs)
    # THEN the runs are the photos in order, and none is empty
    assert all(runs)
    assert [index for run in runs for index in run] == list(range(len(jpegs)))
    bodies = [request_body([jpegs[index] for index in run]) for run in runs]
    # AND a body is over the limit only when one photo alone is
    assert all(len(body) <= limit or len(run) == 1 for body, run in zip(bodies, runs, strict=True))
    # AND no run could have taken the next one's first photo too
    for run, following in itertools.pairwise(runs):
        joined = request_body([jpegs[index] for index in (*run, following[0])])
        assert len(joined) > limit - 1


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5))
def test_request_body_holds_the_photos_as_base64(jpegs: list[bytes]) -> None:
    instances = json.loads(request_body(jpegs))["instances"]
    assert [base64.b64decode(each["b64"]) for each in instances] == jpegs


def test_large_photos_share_a_request_up_to_the_four_megabytes_of_a_serverless_endpoint() -> None:
    # GIVEN photos of 1.33 MB in base64: three are a request, and no byte more
    large = bytes(999_978)
    runs = split([large] * 10)
    assert [len(run) for run in runs] == [3, 3, 3, 1]
    assert 3_999_900 < len(request_body([large] * 3)) <= 4_000_000
    assert [len(run) for run in split([large + bytes(30)] * 4)] == [2, 2]


@pytest.mark.parametrize(("length", "agreed"), [(0, False), (1, True), (200, True), (201, False)])
def test_label_of_up_to_200_characters_was_agreed_on(length: int, agreed: bool) -> None:
    label = "x" * length
    item = {"label": label, "confidence": 1, "top": [{"label": label, "probability": 1}]}
    text = json.dumps({"model": {"version": "1"}, "predictions": [item]}).encode()
    if agreed:
        (prediction,) = wire.read_answer(text, 1, "").predictions
        assert prediction == wire.Prediction(label, 1.0, ((label, 1.0),))
    else:
        with pytest.raises(RetryableError, match="not what was agreed"):
            wire.read_answer(text, 1, "")


@pytest.mark.parametrize(
    ("share", "read"),
    [(-0.00005, 0.0), (0, 0.0), (1, 1.0), (1.00005, 1.0), (-0.0002, None), (1.0002, None)],
)
def test_share_beyond_its_bounds_by_a_rounding_error_is_put_back(
    share: float, read: float | None
) -> None:
    item: Json = {"label": None, "confidence": share, "top": []}
    text = json.dumps({"model": {"version": "1"}, "predictions": [item]}).encode()
    if read is None:
        with pytest.raises(RetryableError):
            wire.read_answer(text, 1, "")
    else:
        (prediction,) = wire.read_answer(text, 1, "").predictions
        assert prediction == wire.Prediction(None, read, ())


@pytest.mark.parametrize("count", [0, 2])
def test_answer_for_another_number_of_photos_was_not_agreed_on(count: int) -> None:
    item: Json = {"label": None, "confidence": 1, "top": []}
    text = json.dumps({"model": {"version": "1"}, "predictions": [item]}).encode()
    with pytest.raises(RetryableError, match=f"1 predictions for {count} photos"):
        wire.read_answer(text, count, "")


def test_no_photos_are_no_request() -> None:
    assert split([]) == []


def test_photo_over_the_limit_is_a_request_alone() -> None:
    assert split([bytes(4_000_000), b"small"]) == [range(1), range(1, 2)]


def test_every_run_is_held_to_the_limit_not_the_first_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photo = b"abc"
    monkeypatch.setattr(wire, "MAX_BODY_BYTES", len(request_body([photo] * 2)) - 1)
    assert [len(run) for run in split([photo] * 4)] == [1, 1, 1, 1]


GOOD: Json = {"label": "Pug", "confidence": 1, "top": [], "dog_probability": 0.5}


@pytest.mark.parametrize(
    "text",
    [
        "{}", "[]", "no JSON", '{"predictions": [], "model": {"version": "1"}}',
        '{"predictions": [7], "model": {"version": "1"}}',
        '{"predictions": [{"label": "Pug"}], "model": {"version": "1"}}',
        json.dumps({"predictions": [GOOD]}), json.dumps({"predictions": [GOOD], "model": "1"}),
        "[" * 100_000,
    ],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_answer_that_was_not_agreed_on_may_be_a_better_one_next_time(text: str) -> None:
    with pytest.raises(RetryableError, match="not what was agreed"):
        wire.read_answer(text.encode(), 1, "")


@pytest.mark.parametrize(
    ("sent", "read"), [(1 + 1e-4, 1.0), (-1e-4, 0.0), (0.5, 0.5), (1.0002, None), (-0.0002, None)]
)
def test_probability_may_miss_its_range_by_a_rounding_error(
    sent: float, read: float | None
) -> None:
    item = GOOD | {"dog_probability": sent}
    text = json.dumps({"predictions": [item], "model": {"version": "1"}}).encode()
    if read is None:
        with pytest.raises(RetryableError, match="not a probability"):
            wire.read_answer(text, 1, "")
    else:
        (prediction,) = wire.read_answer(text, 1, "").predictions
        assert isinstance(prediction, wire.Prediction)
        assert prediction.dog_probability == read


def told(**more: object) -> bytes:
    item = {"label": "Pug", "confidence": 1, "top": [{"label": "Pug", "probability": 1}]} | more
    return json.dumps({"model": {"version": "1"}, "predictions": [item]}).encode()


@pytest.mark.parametrize(
    ("more", "novelty", "unknown"),
    [
        ({}, None, False),
        ({"novelty": 0.4}, 0.4, False),
        ({"novelty": 1.00001, "unknown": False}, 1.0, False),
        ({"novelty": 1, "unknown": True}, 1.0, True),
    ],
)
def test_novelty_is_read_where_a_model_measures_it(
    more: Json, novelty: float | None, unknown: bool
) -> None:
    (prediction,) = wire.read_answer(told(**more), 1, "").predictions
    assert prediction == wire.Prediction(
        "Pug", 1.0, (("Pug", 1.0),), novelty=novelty, unknown=unknown
    )


@pytest.mark.parametrize(
    "more",
    [
        {"novelty": 1.1},
        {"novelty": -0.1},
        {"novelty": float("nan")},
        {"novelty": True},
        {"novelty": None},
        {"novelty": "1"},
        {"novelty": 0.9, "unknown": 1},
        {"novelty": 0.9, "unknown": "true"},
        {"novelty": 0.9, "unknown": None},
        {"unknown": True},
        {"novelty": 0.9, "unknown": True, "label": None},
    ],
)
def test_novelty_that_was_not_agreed_on_is_refused(more: Json) -> None:
    with pytest.raises(RetryableError, match="not what was agreed"):
        wire.read_answer(told(**more), 1, "")
