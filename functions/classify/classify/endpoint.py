"""One InvokeEndpoint for many photos."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError

from classify.deadline import Deadline
from classify.errors import EndpointUnavailableError, PermanentError, Reason, RetryableError
from classify.wire import Answer, read_answer, request_body

PAUSE_S = 0.3

# What the container says about itself: nobody there (Ray's proxy while its application starts or
# drains) and too many requests.
_CONTAINER_UNAVAILABLE = (404, 429)
# Of SageMaker's own answers all 4xx are about the endpoint as a whole (no such endpoint, no
# permission, not ready, throttled), and of its 5xx this one.
_OVERLOADED = "ServiceUnavailable"
_TOO_SLOW = 408


def predict(
    runtime: Any,
    endpoint: str,
    jpegs: Sequence[bytes],
    attempts: int,
    deadline: Deadline,
    worst_case_s: float,
    on_call: Callable[[float], None],
) -> Answer:
    """`worst_case_s` must be left for an attempt to start; `on_call` is told its milliseconds.

    Raises PermanentError (MODEL_REFUSED), EndpointUnavailableError or another RetryableError.
    """
    body = request_body(jpegs)
    for attempt in range(1, attempts + 1):
        deadline.require(worst_case_s, "InvokeEndpoint")
        start = time.perf_counter()
        try:
            return _invoke(runtime, endpoint, body, len(jpegs))
        except RetryableError:
            if attempt == attempts:
                raise
        finally:
            on_call((time.perf_counter() - start) * 1000)
        time.sleep(random.uniform(0.5, 1) * PAUSE_S)
    raise AssertionError("the last attempt returns or raises")


def _invoke(runtime: Any, endpoint: str, body: bytes, count: int) -> Answer:
    try:
        response = runtime.invoke_endpoint(
            EndpointName=endpoint,
            Body=body,
            ContentType="application/json",
            Accept="application/json",
        )
        text = response["Body"].read()
    except ClientError as error:
        raise _translate(error) from error
    except (HTTPClientError, IncompleteReadError) as error:
        # It was reached: that it hangs, or breaks off, may be one photo's doing.
        raise RetryableError(f"the endpoint did not answer: {error}") from error
    except BotoCoreError as error:
        raise EndpointUnavailableError(f"the endpoint could not be reached: {error}") from error
    return read_answer(text, count, response.get("InvokedProductionVariant", ""))


def _translate(error: ClientError) -> PermanentError | RetryableError:
    """A 4xx of the model itself is about the photos; what is about the endpoint may pass.

    A 5xx may be either: what one photo does to the container must not look like an outage.
    """
    details: Mapping[str, Any] = error.response
    code = details["Error"]["Code"]
    if code != "ModelError":
        answered = details.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        unavailable = answered < 500 or code == _OVERLOADED
    else:
        status = details.get("OriginalStatusCode", 0)
        unavailable = status in _CONTAINER_UNAVAILABLE
        if 400 <= status < 500 and status != _TOO_SLOW and not unavailable:
            words = str(details.get("OriginalMessage") or details["Error"].get("Message", ""))
            return PermanentError(Reason.MODEL_REFUSED, f"the model answered {status}: {words}")
    if unavailable:
        return EndpointUnavailableError(f"the endpoint is not available: {error}")
    return RetryableError(f"the endpoint failed: {error}")
