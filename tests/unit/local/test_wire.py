"""AWS's JSON protocol over botocore's service models."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from local.errors import AwsError
from local.wire import (
    JsonApi,
    coerced,
    cut_to_shape,
    error_response,
    json_response,
    service_model,
    validate,
)

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


JOB: dict[str, Any] = {
    "TrainingJobName": "a",
    "RoleArn": "arn:aws:iam::123456789012:role/a",
    "AlgorithmSpecification": {"TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://a/b"},
    "ResourceConfig": {"VolumeSizeInGB": 1},
    "StoppingCondition": {},
}
_METRIC = {"Name": "m", "Regex": "m"}


@pytest.mark.parametrize(
    ("good", "bad", "words"),
    [
        (
            {"HyperParameters": {"k" * 256: "v" * 2500}},
            {"HyperParameters": {"k" * 257: "v"}},
            "at 'hyperParameters.key' failed to satisfy constraint: Member must have length less "
            "than or equal to 256",
        ),
        (
            {"HyperParameters": {"k": ""}},
            {"HyperParameters": {"k": "v" * 2501}},
            "at 'hyperParameters.k.value' failed to satisfy constraint: Member must have length "
            "less than or equal to 2500",
        ),
        (
            {"HyperParameters": {str(number): "" for number in range(100)}},
            {"HyperParameters": {str(number): "" for number in range(101)}},
            "at 'hyperParameters' failed to satisfy constraint: Member must have length less than "
            "or equal to 100",
        ),
        (
            {"Environment": {"A_1": "x\ny"}},
            {"Environment": {"A-1": "x"}},
            "Value 'A-1' at 'environment.key' failed to satisfy constraint: Member must satisfy "
            "regular expression pattern: [a-zA-Z_][a-zA-Z0-9_]*",
        ),
        (
            {"AlgorithmSpecification": {"TrainingInputMode": "Pipe"}},
            {"AlgorithmSpecification": {"TrainingInputMode": "Tape"}},
            "Value 'Tape' at 'algorithmSpecification.trainingInputMode' failed to satisfy "
            "constraint: Member must satisfy enum value set: [",
        ),
        (
            {
                "AlgorithmSpecification": {
                    **JOB["AlgorithmSpecification"],
                    "MetricDefinitions": [_METRIC] * 40,
                }
            },
            {
                "AlgorithmSpecification": {
                    **JOB["AlgorithmSpecification"],
                    "MetricDefinitions": [_METRIC] * 41,
                }
            },
            "at 'algorithmSpecification.metricDefinitions' failed to satisfy constraint: Member "
            "must have length less than or equal to 40",
        ),
        (
            {
                "AlgorithmSpecification": {
                    **JOB["AlgorithmSpecification"],
                    "MetricDefinitions": [_METRIC, _METRIC],
                }
            },
            {
                "AlgorithmSpecification": {
                    **JOB["AlgorithmSpecification"],
                    "MetricDefinitions": [_METRIC, {"Name": "m" * 256, "Regex": "m"}],
                }
            },
            "at 'algorithmSpecification.metricDefinitions.2.member.name' failed",
        ),
        (
            {"ResourceConfig": {"VolumeSizeInGB": 1, "KeepAlivePeriodInSeconds": 21600}},
            {"ResourceConfig": {"VolumeSizeInGB": 1, "KeepAlivePeriodInSeconds": 21601}},
            "Value '21601' at 'resourceConfig.keepAlivePeriodInSeconds' failed to satisfy "
            "constraint: Member must have value less than or equal to 21600",
        ),
        (
            {"ResourceConfig": {"VolumeSizeInGB": 0}},
            {"ResourceConfig": {"VolumeSizeInGB": -1}},
            "VolumeSizeInGB, value: -1, valid min value: 0",
        ),
        (
            {"TrainingJobName": "a" * 63},
            {"TrainingJobName": "a" * 64},
            "Value 'aaaa",
        ),
    ],
)
def test_each_kind_of_constraint_is_kept_to_its_last_value(
    good: dict[str, Any], bad: dict[str, Any], words: str
) -> None:
    validate(JOB | good, _shape("CreateTrainingJob"))

    assert words in _refused(JOB | bad, "CreateTrainingJob")


def test_all_that_is_wrong_is_counted_and_told_at_once() -> None:
    wrong = {"TrainingJobName": "under_score", "Environment": {"A-1": "x"}}

    assert _refused(JOB | {"TrainingJobName": "_"}, "CreateTrainingJob").startswith(
        "1 validation error detected: Value '_'"
    )
    words = _refused(JOB | wrong, "CreateTrainingJob")
    assert words.startswith("2 validation errors detected: Value 'under_score' at")
    assert "; Value 'A-1' at" in words


def test_refusals_have_the_codes_that_aws_uses() -> None:
    def code(params: Any, operation: str) -> str:
        with pytest.raises(AwsError) as raised:
            validate(params, _shape(operation))
        return raised.value.code

    assert code([], "ListTrainingJobs") == "SerializationException"
    assert code({"CreationTimeAfter": "2026-01-01"}, "ListTrainingJobs") == "SerializationException"
    assert code({"MaxResults": 101}, "ListTrainingJobs") == "ValidationException"
    assert code({"MaxResults": "10"}, "ListTrainingJobs") == "ValidationException"
    validate({"CreationTimeAfter": 1.5, "CreationTimeBefore": 2}, _shape("ListTrainingJobs"))


def test_union_takes_exactly_one_member() -> None:
    image: dict[str, Any] = {"ImageClassificationJobConfig": {}}
    text: dict[str, Any] = {"TextClassificationJobConfig": {}}

    for union in ({}, image | text):
        words = _refused({"AutoMLProblemTypeConfig": union}, "CreateAutoMLJobV2")
        assert "tagged union" in words
    words = _refused({"AutoMLProblemTypeConfig": image}, "CreateAutoMLJobV2")
    assert "tagged union" not in words


def test_operation_that_takes_or_gives_nothing_is_answered() -> None:
    takes_nothing = JsonApi("organizations", {"DescribeOrganization": lambda _: {"x": 1}})
    gives_nothing = JsonApi("sagemaker", {"DeleteEndpoint": lambda _: {"x": 1}})

    for answer in (
        takes_nothing.handle("AWSOrganizationsV20161128.DescribeOrganization", b""),
        gives_nothing.handle("SageMaker.DeleteEndpoint", b'{"EndpointName": "a"}'),
    ):
        assert (answer.status, json.loads(answer.body)) == (200, {})


def test_answer_has_type_and_number_of_its_own() -> None:
    first, second = (json_response(200, {"a": "ü"}, {"X-More": "1"}) for _ in range(2))

    assert first.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert first.headers["X-More"] == "1"
    assert first.headers["x-amzn-RequestId"] != second.headers["x-amzn-RequestId"]
    assert json.loads(first.body) == {"a": "ü"}


def test_request_reaches_its_operation_and_its_answer_is_shaped() -> None:
    seen: list[dict[str, Any]] = []

    def describe(params: dict[str, Any]) -> dict[str, Any]:
        seen.append(params)
        return {"EndpointName": params["EndpointName"], "_ours": 1}

    api = JsonApi("sagemaker", {"DescribeEndpoint": describe, "AddTags": describe})
    answer = api.handle("SageMaker.DescribeEndpoint", b'{"EndpointName": "a"}')

    assert seen == [{"EndpointName": "a"}]
    assert (answer.status, json.loads(answer.body)) == (200, {"EndpointName": "a"})
    assert api.operations == ["AddTags", "DescribeEndpoint"]
    refused = api.handle("SageMaker.DescribeEndpoint", b"{}")
    assert (refused.status, json.loads(refused.body)["__type"]) == (400, "ValidationException")
    assert len(seen) == 1


def test_maps_lists_times_and_bytes_are_written_as_json_carries_them() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    job = {
        "HyperParameters": {"lr": "0.1"},
        "CreationTime": 5.5,
        "SecondaryStatusTransitions": [{"Status": "Starting", "StartTime": moment, "x": None}],
        "EnableNetworkIsolation": False,
        "TrainingTimeInSeconds": 0,
    }
    blob = service_model("kms").operation_model("Encrypt").output_shape

    assert cut_to_shape(job, _shape("DescribeTrainingJob", "output_shape")) == {
        **job,
        "SecondaryStatusTransitions": [{"Status": "Starting", "StartTime": 1767225600.0}],
    }
    assert cut_to_shape({"CiphertextBlob": b"\0\xff"}, blob) == {"CiphertextBlob": "AP8="}
    assert cut_to_shape({"CiphertextBlob": "AP8="}, blob) == {"CiphertextBlob": "AP8="}


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("True", True), ("false", False), ("yes", False)]
)
def test_boolean_of_cloudformation_is_true_only_as_true(text: str, value: bool) -> None:
    typed = coerced("lambda", "CreateEventSourceMapping", {"Enabled": text})
    assert typed == {"Enabled": value}


def test_every_scalar_of_cloudformation_is_typed_at_any_depth() -> None:
    typed = coerced(
        "sagemaker",
        "CreateEndpointConfig",
        {"ProductionVariants": [{"InitialVariantWeight": "0.5", "VolumeSizeInGB": "8"}]},
    )
    hyperparameters = coerced("sagemaker", "CreateTrainingJob", {"HyperParameters": {"lr": 0.1}})
    size = coerced("lambda", "CreateFunction", {"EphemeralStorage": {"Size": "512"}, "Tags": "x"})
    code = coerced("s3", "ListObjectsV2", {"MaxKeys": {"a": 1}})
    rate = coerced("cloudwatch", "PutMetricAlarm", {"Threshold": "1.5", "Period": "60"})

    assert typed == {"ProductionVariants": [{"InitialVariantWeight": 0.5, "VolumeSizeInGB": 8}]}
    assert hyperparameters == {"HyperParameters": {"lr": "0.1"}}
    assert size == {"EphemeralStorage": {"Size": 512}, "Tags": "x"}
    assert code == {"MaxKeys": {"a": 1}}
    assert rate == {"Threshold": 1.5, "Period": 60}
    assert coerced("logs", "FilterLogEvents", {"startTime": "5"}) == {"startTime": 5}
    assert [type(number) for number in rate.values()] == [float, int]


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


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "The request is not valid JSON."),
        (b"\xff", "The request is not valid JSON."),
        (b"[" * 100_000, "The request is not valid JSON."),
        (b"[]", "The request body is not a JSON object."),
        (b"7", "The request body is not a JSON object."),
    ],
)
def test_body_that_is_no_json_object_is_a_serialization_error(body: bytes, words: str) -> None:
    api = JsonApi("sagemaker", {"DeleteEndpoint": lambda _: {}})

    answer = api.handle("SageMaker.DeleteEndpoint", body)

    told = json.loads(answer.body)
    assert (answer.status, told["__type"], told["message"]) == (
        400,
        "SerializationException",
        words,
    )


@pytest.mark.parametrize("target", ["DeleteEndpoint", "com.example.SageMaker.DeleteEndpoint"])
def test_operation_is_what_follows_the_last_dot(target: str) -> None:
    api = JsonApi("sagemaker", {"DeleteEndpoint": lambda _: {}})

    assert api.handle(target, b'{"EndpointName": "a"}').status == 200


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
