"""One InvokeEndpoint for many photos."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from classify.deadline import Deadline
from classify.errors import PermanentError, Reason, RetryableError
from classify.wire import Answer, read_answer, request_body

ATTEMPTS = 2
PAUSE_S = 0.3

# Too slow, too many, and nobody there: Ray's proxy says 404 while its application starts or drains.
_OF_THE_MOMENT = (404, 408, 429)


def predict(
    runtime: Any,
    endpoint: str,
    jpegs: Sequence[bytes],
    deadline: Deadline,
    worst_case_s: float,
    on_call: Callable[[float], None],
) -> Answer:
    """`worst_case_s` must be left for an attempt to start; `on_call` is told its milliseconds.

    Raises PermanentError (MODEL_REFUSED) or RetryableError.
    """
    body = request_body(jpegs)
    for attempt in range(1, ATTEMPTS + 1):
        deadline.require(worst_case_s, "InvokeEndpoint")
        start = time.perf_counter()
        try:
            return _invoke(runtime, endpoint, body, len(jpegs))
        except RetryableError:
            if attempt == ATTEMPTS:
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
    except BotoCoreError as error:
        raise RetryableError(f"the endpoint could not be reached: {error}") from error
    return read_answer(text, count, response.get("InvokedProductionVariant", ""))


def _translate(error: ClientError) -> PermanentError | RetryableError:
    """Only a 4xx of the model itself is about the photos; those of _OF_THE_MOMENT are not.

    Everything SageMaker says for itself (no such endpoint, no permission, not ready, throttled) may
    pass.
    """
    details: Mapping[str, Any] = error.response
    status = details.get("OriginalStatusCode", 0)
    if (
        details["Error"]["Code"] == "ModelError"
        and 400 <= status < 500
        and status not in _OF_THE_MOMENT
    ):
        words = str(details.get("OriginalMessage") or details["Error"].get("Message", ""))
        return PermanentError(Reason.MODEL_REFUSED, f"the model answered {status}: {words}")
    return RetryableError(f"the endpoint failed: {error}")
