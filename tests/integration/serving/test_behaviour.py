"""How the endpoint behaves, over both hosts: uvicorn and Ray Serve behind AWS's adapter."""

import contextlib
import io
import select
import socket
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from PIL import Image

from photo_reader import FORMATS
from rigs import heic
from rigs.hosts import LIMITS, Host
from rigs.requests import (
    JPEG,
    batch,
    half_sent,
    large_png,
    photo,
    read_answer,
    slow_jpeg,
)
from serving.model import load
from serving.preprocess import pixels
from tests.waiting import wait_until


def bomb() -> bytes:
    """A PNG of a few bytes whose header says 20000 x 20000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        sum_ = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + sum_

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")


def error_code(answer: httpx.Response) -> str:
    """The code in a whole-request error."""
    code: str = answer.json()["error"]["code"]
    return code


def test_ping_of_a_started_host_is_200(client: httpx.Client) -> None:
    assert client.get("/ping").status_code == 200


def test_single_image_gets_the_prediction_of_the_bare_model(
    client: httpx.Client, host: Host
) -> None:
    model = load(host.container.model)
    image = Image.open(io.BytesIO(photo()))
    (expected,) = model.predict(pixels(image, model.manifest.preprocess)[None])

    answer = client.post("/invocations", content=photo(), headers=JPEG)

    assert answer.status_code == 200
    body = answer.json()
    assert body["model"] == {"name": model.manifest.name, "version": model.manifest.version}
    assert body["label"] == expected.label
    assert body["confidence"] == pytest.approx(expected.confidence, abs=1e-4)
    assert body["dog_probability"] == pytest.approx(expected.dog_probability, abs=1e-4)
    assert [entry["label"] for entry in body["top"]] == [label for label, _ in expected.top]


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_of_the_allow_list_is_classified(client: httpx.Client, kind: str) -> None:
    content = heic.UPRIGHT if kind == "HEIF" else photo(kind=kind)
    answer = client.post(
        "/invocations", content=content, headers={"Content-Type": "application/x-image"}
    )
    assert answer.status_code == 200


def test_batch_is_answered_in_order_by_both_lanes(client: httpx.Client, host: Host) -> None:
    photos = [photo(seed) for seed in range(5)]
    singles = [client.post("/invocations", content=one, headers=JPEG).json() for one in photos]

    answer = client.post("/invocations", json=batch(*photos))

    behind = httpx.post(host.own_url + "/invocations", json=batch(*photos), trust_env=False)
    assert behind.headers["x-batch-size"] == "3"  # and the other lane takes the rest
    assert behind.json() == answer.json()
    for alone, together in zip(singles, answer.json()["predictions"], strict=True):
        assert together["top"][0]["label"] == alone["top"][0]["label"]
        assert together["confidence"] == pytest.approx(alone["confidence"], abs=1e-4)


def test_bad_images_in_a_batch_fail_alone_each_with_its_code(client: httpx.Client) -> None:
    body = batch(photo(1), b"", b"no picture", photo(2)[:-1500], bomb(), photo(3))
    body["instances"].insert(1, {"b64": "not base64!"})

    answer = client.post("/invocations", json=body)

    assert answer.status_code == 200
    codes = [one.get("error", {}).get("code") for one in answer.json()["predictions"]]
    wanted = [None, "BAD_BASE64", "EMPTY", "NOT_AN_IMAGE", "TRUNCATED", "TOO_MANY_PIXELS", None]
    assert codes == wanted


def test_batch_of_only_bad_images_is_answered(client: httpx.Client) -> None:
    answer = client.post("/invocations", json=batch(b"text", b""))
    assert answer.status_code == 200
    codes = [one["error"]["code"] for one in answer.json()["predictions"]]
    assert codes == ["NOT_AN_IMAGE", "EMPTY"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "EMPTY"),
        (b"hello, I am called dog.jpg", "NOT_AN_IMAGE"),
        (bomb(), "TOO_MANY_PIXELS"),
        (photo()[:-1500], "TRUNCATED"),
        (b"8BPS\0\1" + b"\0" * 64, "UNSUPPORTED_FORMAT"),
    ],
)
def test_bad_single_image_is_422_with_its_code(
    client: httpx.Client, content: bytes, code: str
) -> None:
    answer = client.post("/invocations", content=content, headers=JPEG)
    assert (answer.status_code, error_code(answer)) == (422, code)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"instances": []}', b'{"instances": [{"b64": 1}]}',
     b'{"instances": ["x"]}', b"\xff\xfe", b"[" * 100_000],
)  # fmt: skip
def test_malformed_json_is_400(client: httpx.Client, content: bytes) -> None:
    answer = client.post(
        "/invocations", content=content, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, error_code(answer)) == (400, "BAD_REQUEST")


def test_more_instances_than_allowed_is_400(client: httpx.Client) -> None:
    count = int(LIMITS["SERVING_MAX_INSTANCES"]) + 1
    answer = client.post("/invocations", json=batch(*[b"x"] * count))
    assert (answer.status_code, error_code(answer)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", "image"])
def test_unknown_content_type_is_415(client: httpx.Client, content_type: str) -> None:
    answer = client.post("/invocations", content=b"x", headers={"Content-Type": content_type})
    assert (answer.status_code, error_code(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_body_above_the_limit_is_413(client: httpx.Client, announced: bool) -> None:
    size = int(LIMITS["SERVING_MAX_BODY_BYTES"]) + 1
    content = b"\0" * size
    pieces = (content[at : at + 50_000] for at in range(0, size, 50_000))
    answer = client.post("/invocations", content=content if announced else pieces, headers=JPEG)
    assert (answer.status_code, error_code(answer)) == (413, "TOO_LARGE")


def test_concurrent_single_requests_share_forward_passes(host: Host) -> None:
    """Ten at once, until it is seen: which of them overlap is up to the machine."""

    def post(seed: int) -> int:
        answer = httpx.post(
            host.own_url + "/invocations", content=photo(seed), headers=JPEG, timeout=60,
            trust_env=False,
        )  # fmt: skip
        assert answer.status_code == 200
        return int(answer.headers["x-batch-size"])

    with ThreadPoolExecutor(10) as pool:
        wait_until(lambda: max(pool.map(post, range(10))) > 1)


def test_full_queue_is_429_and_recovers(client: httpx.Client, host: Host) -> None:
    body = batch(*[photo()] * 10)
    held: list[socket.socket] = []
    with contextlib.ExitStack() as uploads:

        def refused() -> httpx.Response | None:
            # Each unfinished upload holds a place until its time is up: three of them leave too
            # little for a batch of ten, six do so on a slow machine too.
            for ended in select.select(held, [], [], 0)[0]:
                held.remove(ended)
            while len(held) < 6:
                held.append(uploads.enter_context(half_sent(host)))
            answer = client.post("/invocations", json=body)
            return answer if answer.status_code == 429 else None

        assert error_code(wait_until(refused)) == "OVERLOADED"
        single = client.post("/invocations", content=photo(), headers=JPEG)
        assert single.status_code == 200
    wait_until(lambda: client.post("/invocations", json=body).status_code == 200)


def test_others_are_answered_while_slow_photos_are_read(client: httpx.Client, host: Host) -> None:
    """More of them than there are lanes, of seconds each; whether they end in time is no matter."""
    slow = [slow_jpeg(), large_png(), slow_jpeg(), large_png()]
    assert max(map(len, slow)) < int(LIMITS["SERVING_MAX_BODY_BYTES"])

    def post(content: bytes) -> int:
        url = host.url + "/invocations"
        answer = httpx.post(url, content=content, headers=JPEG, timeout=60, trust_env=False)
        return answer.status_code

    with ThreadPoolExecutor(len(slow)) as pool:
        pending = [pool.submit(post, content) for content in slow]
        answered = []
        while not all(one.done() for one in pending):
            answered.append(post(photo()))
        ended = [one.result() for one in pending]
    assert set(answered) == {200}
    assert set(ended) <= {200, 422, 503}


def test_upload_slower_than_the_deadline_is_503(host: Host) -> None:
    with half_sent(host) as upload:
        status, body = read_answer(upload)
    assert (status, body["error"]["code"]) == (503, "DEADLINE_EXCEEDED")


def test_nothing_of_the_repository_is_opened_by_the_serving_processes(
    client: httpx.Client, host: Host
) -> None:
    assert client.post("/invocations", content=photo(), headers=JPEG).status_code == 200
    assert host.container.repository_files_opened() == []
