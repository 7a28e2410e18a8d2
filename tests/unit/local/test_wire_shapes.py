"""Each kind of member of AWS's shapes, in requests, answers and CloudFormation's properties."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.model import ServiceModel, Shape

from local.errors import AwsError
from local.sagemaker.service import SageMaker
from local.settings import Settings
from local.wire import (
    JsonApi,
    coerced,
    cut_to_shape,
    json_response,
    operations,
    service_model,
    validate,
)

NUMBERS = ("integer", "long", "float", "double")
MODEL = ServiceModel(
    {
        "metadata": {"serviceId": "Made", "protocol": "json"},
        "operations": {},
        "shapes": {
            "All": {
                "type": "structure",
                "members": {
                    "Name": {"shape": "Name"},
                    "Names": {"shape": "Names"},
                    "Tags": {"shape": "Tags"},
                    "At": {"shape": "At"},
                    "Data": {"shape": "Data"},
                    "Inner": {"shape": "Inner"},
                },
            },
            "Inner": {"type": "structure", "members": {"Name": {"shape": "Name"}}},
            "Name": {
                "type": "string",
                "max": 3,
                "pattern": "[a-z]+",
                "enum": ["abc", "ab", "abcd"],
            },
            "Names": {"type": "list", "member": {"shape": "Name"}},
            "Tags": {"type": "map", "key": {"shape": "Name"}, "value": {"shape": "Inner"}},
            "At": {"type": "timestamp"},
            "Data": {"type": "blob"},
            "Numbers": {
                "type": "structure",
                "members": {kind: {"shape": kind} for kind in NUMBERS},
            },
            **{kind: {"type": kind, "max": 3} for kind in NUMBERS},
        },
    }
)
ALL: Shape = MODEL.shape_for("All")


def problems(**params: Any) -> str:
    with pytest.raises(AwsError) as error:
        validate(params, ALL)
    assert error.value.code == "ValidationException"
    return error.value.message


def test_values_within_their_constraints_are_taken() -> None:
    validate({"Name": "abc", "Names": ["ab"], "Inner": {"Name": "abc"}}, ALL)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("abcd", "have length less than or equal to 3"),
        ("xyz", "satisfy enum value set: [abc, ab, abcd]"),
    ],
)
def test_one_problem_is_told_with_its_value_and_place(value: str, words: str) -> None:
    assert problems(Name=value) == (
        f"1 validation error detected: Value '{value}' at 'name' "
        f"failed to satisfy constraint: Member must {words}"
    )


@pytest.mark.parametrize("kind", NUMBERS)
def test_number_of_any_kind_is_taken_up_to_its_greatest(kind: str) -> None:
    shape = MODEL.shape_for("Numbers")
    validate({kind: 3}, shape)

    with pytest.raises(AwsError, match=f"'4' at '{kind}' .* less than or equal to 3"):
        validate({kind: 4}, shape)


def test_every_problem_is_told_wherever_it_is() -> None:
    found = problems(Names=["ab", "A1"], Inner={"Name": "abcd"})

    assert found.startswith("3 validation errors detected: ")
    parts = found.partition(": ")[2].split("; ")
    assert [part.split("'")[3] for part in parts] == [
        "names.2.member",
        "names.2.member",
        "inner.name",
    ]
    assert parts[1].endswith("Member must satisfy regular expression pattern: [a-z]+")


def test_answers_carry_each_kind_of_member_as_json_does() -> None:
    record = {
        "Name": "n",
        "Names": ["a", "b"],
        "Tags": {"k": {"Name": "v", "secret": 1}},
        "At": datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC),
        "Data": b"\xff\x00",
        "Inner": {"secret": 1},
        "secret": 1,
    }

    assert cut_to_shape(record, ALL) == {
        "Name": "n",
        "Names": ["a", "b"],
        "Tags": {"k": {"Name": "v"}},
        "At": 1767225600.5,
        "Data": "/wA=",
        "Inner": {},
    }
    assert cut_to_shape({"At": 7, "Data": "eA=="}, ALL) == {"At": 7, "Data": "eA=="}


def test_answer_is_json_with_an_id_of_its_own() -> None:
    first, second = json_response(201, {"a": 1}, {"X": "y"}), json_response(201, {})

    assert (first.status, first.body) == (201, b'{"a": 1}')
    assert first.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert first.headers["X"] == "y"
    ids = {uuid.UUID(answer.headers["x-amzn-RequestId"]) for answer in (first, second)}
    assert len(ids) == 2


def test_operation_gets_what_was_sent_and_its_answer_is_cut() -> None:
    got: list[dict[str, Any]] = []

    def create(params: dict[str, Any]) -> dict[str, Any]:
        got.append(params)
        return {"ModelArn": "arn", "secret": 1}

    api = JsonApi("sagemaker", {"CreateModel": create, "AddTags": create})
    params = {"ModelName": "m", "ExecutionRoleArn": "arn:aws:iam::000000000000:role/r"}
    answer = api.handle("SageMaker.CreateModel", json.dumps(params).encode())

    assert got == [params]
    assert (answer.status, json.loads(answer.body)) == (200, {"ModelArn": "arn"})
    assert api.operations == ["AddTags", "CreateModel"]


def test_operation_without_an_answer_gives_an_empty_object() -> None:
    api = JsonApi("sagemaker", {"DeleteModel": lambda _: {"secret": 1}})

    answer = api.handle("SageMaker.DeleteModel", b'{"ModelName": "m"}')

    assert (answer.status, answer.body) == (200, b"{}")


def test_refusal_of_an_operation_is_its_answer() -> None:
    def refuse(_: dict[str, Any]) -> dict[str, Any]:
        raise AwsError("ResourceInUse", "busy", 409)

    answer = JsonApi("sagemaker", {"DeleteModel": refuse}).handle(
        "X.DeleteModel", b'{"ModelName": "m"}'
    )

    assert (answer.status, json.loads(answer.body)["__type"]) == (409, "ResourceInUse")


def test_request_is_checked_before_the_operation_sees_it() -> None:
    api = JsonApi("sagemaker", {"DeleteModel": lambda _: pytest.fail("was called")})

    answer = api.handle("SageMaker.DeleteModel", b"")

    assert json.loads(answer.body)["__type"] == "ValidationException"


def test_operation_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(AwsError) as error:
        JsonApi("sagemaker", {"B": dict, "A": dict}).call("Dance", {})

    assert error.value.message == "The local cloud does not have sagemaker:Dance. It has: A, B."


@pytest.mark.parametrize(
    ("given", "typed"),
    [
        ({"MemorySize": "128", "Timeout": 3}, {"MemorySize": 128, "Timeout": 3}),
        ({"Publish": "True"}, {"Publish": True}),
        ({"Publish": "no"}, {"Publish": False}),
        ({"Architectures": [1, "arm64"]}, {"Architectures": ["1", "arm64"]}),
        ({"Tags": {"a": 1}}, {"Tags": {"a": "1"}}),
        ({"Description": ["kept"], "VpcConfig": 1}, {"Description": ["kept"], "VpcConfig": 1}),
    ],
    ids=str,
)  # fmt: skip
def test_properties_become_what_their_members_are(
    given: dict[str, Any], typed: dict[str, Any]
) -> None:
    assert coerced("lambda", "CreateFunction", given) == typed


@pytest.mark.parametrize(("given", "typed"), [("0.5", 0.5), (1, 1.0), ("x", "x")])
def test_weights_become_numbers(given: object, typed: object) -> None:
    variant = {"VariantName": 1, "InitialVariantWeight": given}

    found = coerced("sagemaker", "CreateEndpointConfig", {"ProductionVariants": [variant]})

    assert found == {"ProductionVariants": [{"VariantName": "1", "InitialVariantWeight": typed}]}


def test_models_are_loaded_once() -> None:
    assert service_model("sagemaker") is service_model("sagemaker")


def test_operations_are_the_methods_that_the_service_has() -> None:
    class Owner:
        def create_model(self, params: dict[str, Any]) -> dict[str, Any]:
            return params

        def add_tags(self, params: dict[str, Any]) -> dict[str, Any]:
            return params

        def close(self) -> None: ...

    owner = Owner()
    assert operations("sagemaker", owner) == {
        "CreateModel": owner.create_model,
        "AddTags": owner.add_tags,
    }


def test_local_sagemaker_answers_these_operations(tmp_path: Path) -> None:
    found = SageMaker(Settings.from_arguments(4566, str(tmp_path), "python", {})).api.operations
    assert len(found) == 33
    assert {"CreateHyperParameterTuningJob", "ListTrainingJobsForHyperParameterTuningJob"} < {
        *found
    }
