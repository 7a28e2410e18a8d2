"""Requests to the endpoint: split by size, in order."""

import base64
import itertools
import json

import pytest
from classify import wire
from classify.wire import request_body, split
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.binary(max_size=400), max_size=20), st.integers(100, 1000))
def test_batch_is_split_so_that_each_body_fits_and_none_is_lost(
    jpegs: list[bytes], limit: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "MAX_BODY_BYTES", limit)
        runs = split(jpegs)
    # THEN the runs are the photos in order
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


def test_ten_of_the_largest_possible_photos_stay_below_sagemakers_limit() -> None:
    # GIVEN noise, which compresses worst, at the largest shape that shrink() makes
    worst = bytes(1_500_000)
    assert all(len(request_body([worst] * len(run))) <= 4_000_000 for run in split([worst] * 10))
