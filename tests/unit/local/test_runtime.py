"""InvokeEndpoint's mapping of what a container does to what AWS answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import urllib3

from local.arns import sagemaker_arn
from local.sagemaker.container import ContainerFiles
from local.sagemaker.fleet import Fleet
from local.sagemaker.runtime import Runtime
from local.sagemaker.variant import NotReadyError
from local.store import Store
from local.wire import Response


class FakeVariant:
    """Answers, or raises, what it was given; remembers the headers."""

    name = "AllTraffic"
    weight = 1.0
    files = ContainerFiles(Path("/state"))

    def __init__(self, outcome: urllib3.HTTPResponse | Exception) -> None:
        self._outcome = outcome
        self.headers: dict[str, str] = {}

    def invoke(self, _body: bytes, headers: dict[str, str]) -> urllib3.HTTPResponse:
        self.headers = headers
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


class FakeEndpoints:
    """Has its fleet at once, or after the wait for it, or never."""

    def __init__(self, fleet: Fleet | None, waits: bool = False, times_out: bool = False) -> None:
        self._fleet = fleet
        self._waits = waits
        self._times_out = times_out

    def fleet(self, _arn: str) -> Fleet | None:
        return None if self._waits else self._fleet

    def wait_settled(self, _arn: str, _timeout_s: float) -> None:
        if self._times_out:
            raise TimeoutError
        self._waits = False


def _invoke(
    tmp_path: Path,
    variant: FakeVariant | None,
    status: str = "InService",
    headers: dict[str, str] | None = None,
    **restoring: bool,
) -> Response:
    store = Store(tmp_path / "state.json", "models", "endpoint_configs", "endpoints")
    arn = sagemaker_arn("endpoint", "dogs")
    store["endpoints"][arn] = {"EndpointStatus": status, "EndpointArn": arn}
    fleet: Any = Fleet([variant], []) if variant else None  # type: ignore[list-item]
    runtime = Runtime(store, FakeEndpoints(fleet, **restoring))  # type: ignore[arg-type]
    return runtime.invoke("dogs", headers or {}, b"body")


def _reply(status: int, body: bytes, **headers: str) -> urllib3.HTTPResponse:
    return urllib3.HTTPResponse(body=body, status=status, headers=headers)


def test_answer_of_the_container_passes_through(tmp_path: Path) -> None:
    variant = FakeVariant(_reply(201, b"yes", **{"Content-Type": "text/csv"}))

    answer = _invoke(
        tmp_path, variant, headers={"content-type": "image/png", "authorization": "secret"}
    )

    assert (answer.status, answer.body) == (200, b"yes")
    assert answer.headers["Content-Type"] == "text/csv"
    assert answer.headers["x-Amzn-Invoked-Production-Variant"] == "AllTraffic"
    assert variant.headers == {"content-type": "image/png"}


@pytest.mark.parametrize(
    ("outcome", "status", "code", "original"),
    [
        (_reply(422, b"bad photo"), 424, "ModelError", 422),
        (_reply(307, b"elsewhere"), 424, "ModelError", 307),
        (_reply(500, b"oh"), 424, "ModelError", 500),
        (urllib3.exceptions.ReadTimeoutError(None, "", ""), 424, "ModelError", 0),  # type: ignore[arg-type]
        (urllib3.exceptions.ProtocolError("reset"), 424, "ModelError", 0),
        (urllib3.exceptions.NewConnectionError(None, ""), 503, "ServiceUnavailable", None),  # type: ignore[arg-type]
        (NotReadyError("AllTraffic"), 503, "ServiceUnavailable", None),
    ],
)
def test_failure_of_the_container_becomes_aws_error(
    tmp_path: Path,
    outcome: urllib3.HTTPResponse | Exception,
    status: int,
    code: str,
    original: int | None,
) -> None:
    answer = _invoke(tmp_path, FakeVariant(outcome))

    body = json.loads(answer.body)
    assert (answer.status, body["__type"]) == (status, code)
    assert body.get("OriginalStatusCode") == original


def test_request_that_meets_a_stopped_fleet_goes_to_the_one_that_took_over(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.json", "models", "endpoint_configs", "endpoints")
    arn = sagemaker_arn("endpoint", "dogs")
    store["endpoints"][arn] = {"EndpointStatus": "Updating", "EndpointArn": arn}
    generations = [FakeVariant(NotReadyError("old")), FakeVariant(_reply(200, b"new"))]

    class SwitchingEndpoints:
        def fleet(self, _arn: str) -> Fleet:
            return Fleet([generations.pop(0)], [])  # type: ignore[list-item]

    answer = Runtime(store, SwitchingEndpoints()).invoke("dogs", {}, b"body")  # type: ignore[arg-type]

    assert (answer.status, answer.body) == (200, b"new")


def test_time_out_is_said_in_aws_words(tmp_path: Path) -> None:
    timed_out = urllib3.exceptions.ReadTimeoutError(None, "", "")  # type: ignore[arg-type]

    body = json.loads(_invoke(tmp_path, FakeVariant(timed_out)).body)

    assert body["OriginalMessage"].startswith("Your invocation timed out while waiting")


@pytest.mark.parametrize("status", ["Creating", "Failed", "Deleting"])
def test_endpoint_that_is_not_in_service_is_not_found(tmp_path: Path, status: str) -> None:
    answer = _invoke(tmp_path, None, status)

    assert (answer.status, json.loads(answer.body)["__type"]) == (400, "ValidationError")


def test_endpoint_that_comes_back_after_a_start_is_waited_for(tmp_path: Path) -> None:
    answer = _invoke(tmp_path, FakeVariant(_reply(200, b"yes")), "Updating", waits=True)

    assert (answer.status, answer.body) == (200, b"yes")


def test_endpoint_that_does_not_come_back_is_unavailable(tmp_path: Path) -> None:
    assert _invoke(tmp_path, None, "Updating", times_out=True).status == 503


def test_variant_that_is_not_there_is_named(tmp_path: Path) -> None:
    variant = FakeVariant(_reply(200, b""))
    headers = {"x-amzn-sagemaker-target-variant": "Other"}

    answer = _invoke(tmp_path, variant, headers=headers)

    assert "variant Other was not found" in json.loads(answer.body)["message"]
