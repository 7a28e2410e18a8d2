"""Local SageMaker driven by unmodified boto3."""

from __future__ import annotations

import io
import os
import signal
import tarfile
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.launch import ROOT, Cloud
from tests import scaling
from tests.integration.local.conftest import ROLE, SageMaker, archive
from tests.waiting import wait_until


def _error(raised: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_endpoint_in_service_answers_with_its_own_model(
    sagemaker: SageMaker, endpoint: str
) -> None:
    answer = sagemaker.runtime.invoke_endpoint(
        EndpointName=endpoint, Body=b"photo", ContentType="image/jpeg", CustomAttributes="id=7"
    )

    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["ContentType"] == "application/json"
    assert answer["CustomAttributes"] == "id=7"
    facts = sagemaker.invoke(endpoint, b"photo", ContentType="image/jpeg")
    assert (facts["length"], facts["content_type"], facts["marker"]) == (5, "image/jpeg", "first")
    assert facts["colour"] == "green"


def test_serving_process_sees_nothing_of_the_repository_or_credentials(
    sagemaker: SageMaker, endpoint: str
) -> None:
    facts = sagemaker.invoke(endpoint)

    assert not Path(facts["cwd"]).is_relative_to(ROOT)
    assert facts["aws_variables"] == ["AWS_DEFAULT_REGION", "AWS_REGION"]


def test_describe_calls_answer_what_was_created(sagemaker: SageMaker, endpoint: str) -> None:
    described = sagemaker.api.describe_endpoint(EndpointName=endpoint)
    config = sagemaker.api.describe_endpoint_config(EndpointConfigName=endpoint)
    model = sagemaker.api.describe_model(ModelName=endpoint)

    assert described["EndpointStatus"] == "InService"
    assert described["EndpointArn"].endswith(f"endpoint/{endpoint}")
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert config["ProductionVariants"][0]["InstanceType"] == "ml.m5.2xlarge"
    assert model["PrimaryContainer"]["Environment"] == {"COLOUR": "green"}
    assert model["ExecutionRoleArn"] == ROLE


def test_lists_are_paged(sagemaker: SageMaker, endpoint: str) -> None:
    other = sagemaker.config(archive())

    pages = sagemaker.api.get_paginator("list_models").paginate(
        NameContains="test-", PaginationConfig={"PageSize": 1}
    )
    names = [model["ModelName"] for page in pages for model in page["Models"]]

    assert {endpoint, other} <= set(names)
    assert len(names) == len(set(names))
    listed = sagemaker.api.list_endpoints(NameContains=endpoint, StatusEquals="InService")
    assert [row["EndpointName"] for row in listed["Endpoints"]] == [endpoint]
    assert sagemaker.api.list_endpoint_configs(NameContains=other)["EndpointConfigs"]


def test_failing_start_ends_failed_with_the_process_own_words(sagemaker: SageMaker) -> None:
    name = sagemaker.endpoint(archive(marker=None))

    described = sagemaker.api.describe_endpoint(EndpointName=name)

    assert described["EndpointStatus"] == "Failed"
    assert "marker: this package has none" in described["FailureReason"]
    sagemaker.api.delete_endpoint(EndpointName=name)


def test_archive_that_leads_out_of_its_folder_is_refused(
    sagemaker: SageMaker, cloud: Cloud
) -> None:
    name = sagemaker.endpoint(archive(extra={"../../../../../escaped": b"x"}))

    assert "cannot be unpacked" in sagemaker.settled(name)["FailureReason"]
    assert not list(cloud.state_dir.rglob("escaped"))


def test_model_data_that_is_not_there_is_refused_at_once(sagemaker: SageMaker) -> None:
    with pytest.raises(ClientError) as raised:
        sagemaker.api.create_model(
            ModelName="nothing",
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": "any", "ModelDataUrl": "s3://no-such-bucket/model.tar.gz"},
        )

    assert _error(raised) == (
        "ValidationException",
        "Could not find model data at s3://no-such-bucket/model.tar.gz.",
    )


@pytest.mark.parametrize(
    ("operation", "params", "words"),
    [
        ("describe_endpoint", {"EndpointName": "nobody"}, "Could not find endpoint "),
        ("delete_endpoint", {"EndpointName": "nobody"}, "Could not find endpoint "),
        ("describe_model", {"ModelName": "nobody"}, "Could not find model "),
        (
            "create_endpoint",
            {"EndpointName": "a", "EndpointConfigName": "nobody"},
            "Could not find endpoint configuration ",
        ),
        (
            "create_endpoint",
            {"EndpointName": "under_score", "EndpointConfigName": "b"},
            "1 validation error detected: Value 'under_score' at 'endpointName' failed",
        ),
    ],
)
def test_wrong_request_gets_aws_code_and_words(
    sagemaker: SageMaker, operation: str, params: dict[str, str], words: str
) -> None:
    with pytest.raises(ClientError) as raised:
        getattr(sagemaker.api, operation)(**params)

    code, message = _error(raised)
    assert code == "ValidationException"
    assert message.startswith(words)


def test_second_endpoint_of_a_name_is_refused(sagemaker: SageMaker, endpoint: str) -> None:
    with pytest.raises(ClientError, match="Cannot create already existing endpoint"):
        sagemaker.api.create_endpoint(EndpointName=endpoint, EndpointConfigName=endpoint)


def test_operation_that_is_not_there_is_named(sagemaker: SageMaker) -> None:
    with pytest.raises(ClientError, match="does not have sagemaker:ListNotebookInstances"):
        sagemaker.api.list_notebook_instances()


@pytest.mark.parametrize(("status", "side"), [(415, "client"), (500, "server"), (503, "server")])
def test_error_of_the_container_comes_as_model_error(
    sagemaker: SageMaker, endpoint: str, status: int, side: str
) -> None:
    with pytest.raises(sagemaker.runtime.exceptions.ModelError) as raised:
        sagemaker.invoke(endpoint, f"status:{status}".encode())

    answer = raised.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["OriginalStatusCode"] == status
    assert answer["OriginalMessage"] == '{"error": {"code": "ASKED", "message": "as asked"}}'
    assert answer["Error"]["Message"].startswith(f"Received {side} error ({status}) from primary")


def test_endpoint_that_is_not_there_is_a_validation_error(sagemaker: SageMaker) -> None:
    with pytest.raises(sagemaker.runtime.exceptions.ValidationError, match="nobody of account"):
        sagemaker.invoke("nobody")


def test_body_over_six_megabytes_is_refused(sagemaker: SageMaker, endpoint: str) -> None:
    assert sagemaker.invoke(endpoint, b"x" * (6 * 1024**2))["length"] == 6 * 1024**2
    with pytest.raises(ClientError, match="at most 6291456 bytes"):
        sagemaker.invoke(endpoint, b"x" * (6 * 1024**2 + 1))


def test_serverless_endpoint_takes_four_megabytes(sagemaker: SageMaker) -> None:
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    name = sagemaker.endpoint(archive(), ServerlessConfig=serverless)

    assert sagemaker.invoke(name)["marker"] == "first"
    variant = sagemaker.settled(name)["ProductionVariants"][0]
    assert variant["CurrentServerlessConfig"] == serverless
    with pytest.raises(ClientError, match="at most 4194304 bytes"):
        sagemaker.invoke(name, b"x" * (4 * 1024**2 + 1))
    sagemaker.api.delete_endpoint(EndpointName=name)


def test_update_switches_to_the_new_model_and_ends_the_old_process(sagemaker: SageMaker) -> None:
    name = sagemaker.endpoint(archive("old"))
    old = sagemaker.invoke(name)
    new_config = sagemaker.config(archive("new"))

    sagemaker.api.update_endpoint(EndpointName=name, EndpointConfigName=new_config)
    # never a gap: the old one answers until the new one does
    markers = {old["marker"]}
    while sagemaker.api.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Updating":
        markers.add(sagemaker.invoke(name)["marker"])

    assert sagemaker.settled(name)["EndpointConfigName"] == new_config
    assert sagemaker.invoke(name)["marker"] == "new"
    assert markers <= {"old", "new"}
    wait_until(lambda: not _runs(old["pid"]))
    sagemaker.api.delete_endpoint(EndpointName=name)


def canary(*alarms: str) -> dict[str, Any]:
    """One of the two instances first, for as long as this cloud lets a canary be watched."""
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "WaitIntervalInSeconds": 300,
                "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1},
            }
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarms]},
    }


def test_canary_takes_its_share_before_the_new_model_takes_all(sagemaker: SageMaker) -> None:
    name = sagemaker.endpoint(archive("old"))
    new_config = sagemaker.config(archive("new"))
    sagemaker.api.update_endpoint(
        EndpointName=name, EndpointConfigName=new_config, DeploymentConfig=canary("quiet")
    )
    seen = []
    while sagemaker.api.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Updating":
        seen.append(sagemaker.invoke(name)["marker"])
    both = seen[seen.index("new") :]
    assert 0.2 < both.count("new") / len(both) < 0.8  # hundreds of requests, one half of them
    assert {sagemaker.invoke(name)["marker"] for _ in range(20)} == {"new"}
    described = sagemaker.settled(name)
    assert described["LastDeploymentConfig"] == canary("quiet")
    sagemaker.api.delete_endpoint(EndpointName=name)


@pytest.mark.parametrize(("keep", "then"), [(True, 4), (False, 2)])
def test_instances_of_auto_scaling_outlive_an_update_that_keeps_them(
    cloud: Cloud, sagemaker: SageMaker, keep: bool, then: int
) -> None:
    name = sagemaker.endpoint(archive("old"))
    autoscaling, target = cloud.client("application-autoscaling"), scaling.target(name)
    autoscaling.register_scalable_target(**target, MinCapacity=4, MaxCapacity=4)
    wait_until(lambda: scaling.instances(sagemaker.api, name) == 4)
    autoscaling.deregister_scalable_target(**target)
    sagemaker.api.update_endpoint(
        EndpointName=name,
        EndpointConfigName=sagemaker.config(archive("new")),
        RetainAllVariantProperties=keep,
    )
    sagemaker.settled(name)
    assert scaling.instances(sagemaker.api, name) == then
    sagemaker.api.delete_endpoint(EndpointName=name)


@pytest.mark.parametrize("trouble", ["an error", "an alarm"])
def test_canary_that_is_in_trouble_is_taken_back(
    cloud: Cloud, sagemaker: SageMaker, trouble: str
) -> None:
    name = sagemaker.endpoint(archive("old"))
    new_config = sagemaker.config(archive("new"))
    cloudwatch = cloud.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=name, Namespace="n", MetricName="m", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=0, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    sagemaker.api.update_endpoint(
        EndpointName=name, EndpointConfigName=new_config, DeploymentConfig=canary(name)
    )
    wait_until(lambda: sagemaker.invoke(name)["marker"] == "new")
    if trouble == "an alarm":
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="tried")
    while sagemaker.api.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Updating":
        if trouble == "an error":
            with pytest.raises(ClientError):
                sagemaker.invoke(name, b"status:500")
    described = sagemaker.settled(name)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", name)
    words = "with 5xx" if trouble == "an error" else f"the alarm {name} is in the state ALARM"
    assert words in described["FailureReason"]
    assert {sagemaker.invoke(name)["marker"] for _ in range(20)} == {"old"}
    sagemaker.api.delete_endpoint(EndpointName=name)


def test_update_that_fails_leaves_the_old_model_in_service(sagemaker: SageMaker) -> None:
    name = sagemaker.endpoint(archive("old"))
    bad_config = sagemaker.config(archive(marker=None))

    sagemaker.api.update_endpoint(EndpointName=name, EndpointConfigName=bad_config)
    described = sagemaker.settled(name)

    assert described["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] == name
    assert "marker: this package has none" in described["FailureReason"]
    assert sagemaker.invoke(name)["marker"] == "old"
    sagemaker.api.delete_endpoint(EndpointName=name)


def test_dead_process_answers_5xx_until_it_is_restarted(cloud: Cloud, sagemaker: SageMaker) -> None:
    name = sagemaker.endpoint(archive())
    once = cloud.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))
    first = sagemaker.invoke(name)["pid"]

    os.kill(first, signal.SIGKILL)
    codes = set()

    def back() -> int | None:
        try:
            once.invoke_endpoint(EndpointName=name, Body=b"hello")["Body"].read()
        except ClientError as error:
            codes.add(error.response["ResponseMetadata"]["HTTPStatusCode"])
            return None
        second: int = sagemaker.invoke(name)["pid"]
        return second

    second = wait_until(back)
    assert second != first
    assert codes <= {503, 424}
    sagemaker.api.delete_endpoint(EndpointName=name)


def test_process_that_dies_with_the_request_is_a_retryable_model_error(
    cloud: Cloud, sagemaker: SageMaker
) -> None:
    name = sagemaker.endpoint(archive())
    once = cloud.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))

    with pytest.raises(once.exceptions.ModelError) as raised:
        once.invoke_endpoint(EndpointName=name, Body=b"die")

    assert raised.value.response["OriginalStatusCode"] == 0
    wait_until(lambda: sagemaker.settled(name) and _answers(sagemaker, name))
    sagemaker.api.delete_endpoint(EndpointName=name)


def test_deleted_endpoint_leaves_no_process_and_no_files(
    cloud: Cloud, sagemaker: SageMaker
) -> None:
    name = sagemaker.endpoint(archive())
    pid = sagemaker.invoke(name)["pid"]

    sagemaker.api.delete_endpoint(EndpointName=name)
    wait_until(lambda: not _runs(pid))

    def gone() -> bool:
        try:
            sagemaker.api.describe_endpoint(EndpointName=name)
        except ClientError:
            return True
        return False

    wait_until(gone)
    assert not list(cloud.state_dir.rglob(f"endpoints/*/{name}"))
    sagemaker.api.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.api.delete_model(ModelName=name)


def test_words_of_the_container_reach_its_log_group(
    cloud: Cloud, sagemaker: SageMaker, endpoint: str
) -> None:
    logs = cloud.client("logs")
    group = f"/aws/sagemaker/Endpoints/{endpoint}"

    def spoken() -> list[str]:
        groups = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        if not groups:
            return []
        events = logs.filter_log_events(logGroupName=group)["events"]
        return [event["message"] for event in events]

    assert "fake serving is up" in wait_until(spoken)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _answers(sagemaker: SageMaker, name: str) -> bool:
    try:
        sagemaker.invoke(name)
    except ClientError:
        return False
    return True


def test_archive_that_is_no_archive_is_named(sagemaker: SageMaker) -> None:
    name = sagemaker.endpoint(b"not a tar")

    assert "is it a .tar.gz?" in sagemaker.settled(name)["FailureReason"]


def test_link_out_of_the_archive_is_refused(sagemaker: SageMaker) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        link = tarfile.TarInfo("model.safetensors")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    name = sagemaker.endpoint(out.getvalue())

    assert "cannot be unpacked" in sagemaker.settled(name)["FailureReason"]


def test_damaged_archive_fails_its_endpoint_with_the_reason_and_is_deleted(
    sagemaker: SageMaker,
) -> None:
    whole = archive(extra={"weights": os.urandom(20_000)})
    middle = len(whole) // 2
    name = sagemaker.endpoint(whole[:middle] + b"\0" * 64 + whole[middle + 64 :])

    described = sagemaker.settled(name)
    assert described["EndpointStatus"] == "Failed"
    assert "cannot be unpacked" in described["FailureReason"]
    sagemaker.api.delete_endpoint(EndpointName=name)
    wait_until(lambda: not sagemaker.api.list_endpoints(NameContains=name)["Endpoints"])
