"""InvokeEndpoint: the request goes to the serving process, its answer or its failure comes back in
AWS's shape.

Limits are AWS's (Amazon SageMaker Developer Guide, "Inference options"): 6 MB a real-time request,
4 MB a serverless one, 60 s for the container to answer.
"""

from __future__ import annotations

import uuid

import urllib3

from local.arns import sagemaker_arn
from local.errors import AwsError
from local.sagemaker.endpoints import Endpoints, variants_of
from local.sagemaker.fleet import Fleet
from local.sagemaker.variant import NotReadyError, Variant
from local.settings import ACCOUNT_ID
from local.store import Record, Store
from local.wire import Response, error_response

MAX_BODY_BYTES = 6 * 1024 * 1024
MAX_SERVERLESS_BODY_BYTES = 4 * 1024 * 1024
_RESTORE_TIMEOUT_S = 60.0
_INVOCABLE = {"InService", "Updating"}
_MESSAGE_CHARS = 2048
_HEADERS_IN = (
    "content-type",
    "accept",
    "x-amzn-sagemaker-custom-attributes",
    "x-amzn-sagemaker-inference-id",
)
_TARGET_VARIANT = "x-amzn-sagemaker-target-variant"
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. "
    "Review the latency metrics for each container in Amazon CloudWatch, resolve the issue, "
    "and try again."
)


class Runtime:
    def __init__(self, store: Store, endpoints: Endpoints) -> None:
        self._store = store
        self._endpoints = endpoints

    def max_body_bytes(self, endpoint_name: str) -> int:
        """The limit of the endpoint's kind; of a real-time one where there is no such endpoint."""
        record = self._store["endpoints"].get(sagemaker_arn("endpoint", endpoint_name))
        variants = variants_of(self._store, record) if record else []
        serverless = any("ServerlessConfig" in variant for variant in variants)
        return MAX_SERVERLESS_BODY_BYTES if serverless else MAX_BODY_BYTES

    def invoke(self, endpoint_name: str, headers: dict[str, str], body: bytes) -> Response:
        """Blocks for as long as the container takes: call it in a thread."""
        try:
            variant = self._variant(endpoint_name, headers.get(_TARGET_VARIANT))
            try:
                reply = _ask(variant, headers, body)
            except NotReadyError:
                # An update may have switched to a new fleet since the variant was picked.
                successor = self._variant(endpoint_name, headers.get(_TARGET_VARIANT))
                if successor is variant:
                    raise
                variant, reply = successor, _ask(successor, headers, body)
            return _answer(variant, reply)
        except NotReadyError:
            return error_response(_unavailable(endpoint_name))
        except AwsError as error:
            return error_response(error)

    def _variant(self, endpoint_name: str, target: str | None) -> Variant:
        record = self._store["endpoints"].get(sagemaker_arn("endpoint", endpoint_name))
        if record is None or record["EndpointStatus"] not in _INVOCABLE:
            raise AwsError(
                "ValidationError", f"Endpoint {endpoint_name} of account {ACCOUNT_ID} not found."
            )
        fleet = self._endpoints.fleet(record["EndpointArn"]) or self._restored(record)
        if fleet is None:
            raise _unavailable(endpoint_name)
        return fleet.pick(target)

    def _restored(self, record: Record) -> Fleet | None:
        """The fleet of an endpoint that comes back after a start of the cloud, waited for.

        On AWS an endpoint in service stays in service. Refusing now would send the messages that
        wait in the queue away for their whole visibility time-out.
        """
        try:
            self._endpoints.wait_settled(record["EndpointArn"], _RESTORE_TIMEOUT_S)
        except TimeoutError:
            return None
        return self._endpoints.fleet(record["EndpointArn"])


def _ask(variant: Variant, headers: dict[str, str], body: bytes) -> urllib3.BaseHTTPResponse:
    """Raises NotReadyError where the variant takes no request, AwsError for any other failure."""
    passed_on = {name: headers[name] for name in _HEADERS_IN if name in headers}
    try:
        return variant.invoke(body, passed_on)
    except urllib3.exceptions.NewConnectionError as error:
        raise NotReadyError(variant.name) from error
    except urllib3.exceptions.TimeoutError as error:
        raise _model_error(variant, 0, _TIMED_OUT) from error
    except urllib3.exceptions.HTTPError as error:
        raise _model_error(variant, 0, f"The container closed the connection: {error}") from error


def _answer(variant: Variant, reply: urllib3.BaseHTTPResponse) -> Response:
    if not 200 <= reply.status < 300:
        raise _model_error(variant, reply.status, reply.data.decode(errors="replace"))
    headers = {
        "Content-Type": reply.headers.get("Content-Type", "application/octet-stream"),
        "x-Amzn-Invoked-Production-Variant": variant.name,
        "x-amzn-RequestId": str(uuid.uuid4()),
    }
    attributes = reply.headers.get("X-Amzn-SageMaker-Custom-Attributes")
    if attributes is not None:
        headers["X-Amzn-SageMaker-Custom-Attributes"] = attributes
    return Response(200, reply.data, headers)


def _unavailable(what: str) -> AwsError:
    return AwsError(
        "ServiceUnavailable", f"{what} is starting or being restarted. Try again.", status=503
    )


def _model_error(variant: Variant, status: int, words: str) -> AwsError:
    """ModelError as AWS words it; status 0 where the container gave no answer."""
    side = "client" if 400 <= status < 500 else "server"
    words = words[:_MESSAGE_CHARS]
    return AwsError(
        "ModelError",
        f'Received {side} error ({status}) from primary with message "{words}". '
        f"See {variant.files.log_file}",
        status=424,
        extra={"OriginalStatusCode": status, "OriginalMessage": words, "LogStreamArn": ""},
    )
