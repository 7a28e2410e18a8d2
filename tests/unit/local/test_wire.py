"""AWS's JSON protocol over botocore's service models."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from local.errors import AwsError
from local.wire import JsonApi, coerced, cut_to_shape, error_response, service_model, validate

VARIANT = {"VariantName": "a", "ModelName": "m", "InstanceType": "ml.m5.xlarge"}


def _shape(operation: str, side: str = "input_shape") -> Any:
    return getattr(service_model("sagemaker").operation_model(operation), side)


def _refused(params: Any, operation: str = "CreateEndpointConfig") -> str:
    with pytest.raises(AwsError) as raised:
        validate(params, _shape(operation))
    return raised.value.message


def test_request_without_a_required_member_is_refused_by_name() -> None:
    assert 'Missing required parameter in input: "ProductionVariants"' in _refused(
        {"EndpointConfigName": "a"}
    )


def test_request_with_an_unknown_member_is_refused_by_name() -> None:
    assert "Frobnicate" in _refused({"EndpointName": "a", "Frobnicate": 1}, "DeleteEndpoint")


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ({"VariantName": "under_score"}, "at 'productionVariants.1.member.variantName' failed"),
        ({"InstanceType": "ml.pocket"}, "Member must satisfy enum value set: ["),
        ({"ModelName": "m" * 64}, "Member must have length less than or equal to 63"),
    ],
)
def test_constraints_that_botocore_leaves_out_are_checked(
    variant: dict[str, str], words: str
) -> None:
    params = {"EndpointConfigName": "a", "ProductionVariants": [{**VARIANT, **variant}]}

    assert words in _refused(params)


def test_pattern_that_only_java_knows_is_no_constraint() -> None:
    shape = service_model("application-autoscaling").operation_model("RegisterScalableTarget")
    params = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/ü/variant/a",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }

    validate(params, shape.input_shape)


def test_answer_is_cut_to_its_shape() -> None:
    record = {
        "EndpointName": "a",
        "EndpointStatus": "Creating",
        "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
        "FailureReason": None,
        "_generation": 3,
        "ProductionVariants": [{"VariantName": "v", "secret": 1}],
    }

    assert cut_to_shape(record, _shape("DescribeEndpoint", "output_shape")) == {
        "EndpointName": "a",
        "EndpointStatus": "Creating",
        "CreationTime": 1767225600.0,
        "ProductionVariants": [{"VariantName": "v"}],
    }


def test_cloudformation_strings_become_the_types_of_the_operation() -> None:
    typed = coerced(
        "lambda",
        "CreateEventSourceMapping",
        {
            "BatchSize": "10",
            "Enabled": "false",
            "ScalingConfig": {"MaximumConcurrency": "5"},
            "FunctionName": 7,
            "Unknown": "9",
        },
    )

    assert typed == {
        "BatchSize": 10,
        "Enabled": False,
        "ScalingConfig": {"MaximumConcurrency": 5},
        "FunctionName": "7",
        "Unknown": "9",
    }


def test_string_that_is_no_number_is_left_for_the_validator() -> None:
    assert coerced("lambda", "CreateFunction", {"Timeout": "soon"}) == {"Timeout": "soon"}


def test_error_has_code_and_words_where_every_sdk_looks() -> None:
    answer = error_response(AwsError("ModelError", "no", 424, {"OriginalStatusCode": 500}))

    assert answer.status == 424
    assert answer.headers["x-amzn-ErrorType"] == "ModelError"
    body = json.loads(answer.body)
    assert (body["__type"], body["message"], body["Message"]) == ("ModelError", "no", "no")
    assert body["OriginalStatusCode"] == 500


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b"\xff", b"[" * 100_000])
def test_body_that_is_no_json_object_is_a_serialization_error(body: bytes) -> None:
    api = JsonApi("sagemaker", {"DeleteEndpoint": lambda _: {}})

    answer = api.handle("SageMaker.DeleteEndpoint", body)

    assert (answer.status, json.loads(answer.body)["__type"]) == (400, "SerializationException")


@pytest.mark.parametrize("fault", [ValueError("bad luck"), KeyError("gone"), OSError(28, "full")])
def test_fault_of_our_own_is_told_as_one_and_logged(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: dict[str, Any]) -> dict[str, Any]:
        raise fault

    answer = JsonApi("sagemaker", {"DeleteEndpoint": fails}).handle(
        "SageMaker.DeleteEndpoint", b'{"EndpointName": "a"}'
    )

    assert (answer.status, json.loads(answer.body)["__type"]) == (500, "InternalFailure")
    assert (
        f"sagemaker:DeleteEndpoint, its log says how: {fault!r}"
        in json.loads(answer.body)["message"]
    )
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is fault


def test_unknown_operation_is_answered_with_the_known_ones() -> None:
    answer = JsonApi("sagemaker", {"DeleteEndpoint": lambda _: {}}).handle("SageMaker.Dance", b"")

    assert json.loads(answer.body)["__type"] == "UnknownOperationException"
    assert "DeleteEndpoint" in json.loads(answer.body)["message"]
