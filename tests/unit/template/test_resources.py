"""Buckets, queues, table, function and endpoint as DESIGN and the contract want them."""

from __future__ import annotations

import ast
import re
import tomllib
from typing import Any

import pytest
from classify.clients import ENDPOINT_CONNECT_TIMEOUT_S
from classify.core import ATTEMPTS_TOGETHER
from classify.waits import wait_s
from classify.writes import WRITE_RESERVE_S

from tests.aws_model import problems
from tests.unit.template.cloudformation import ROOT, listed, of_type, references, template, walk
from tests.unit.template.evaluation import Deployment

MODES = {
    "instances": Deployment(ModelDataUrl="s3://models/v1/model.tar.gz"),
    "serverless": Deployment(
        ModelDataUrl="s3://models/v1/model.tar.gz",
        ServingImage="123456789012.dkr.ecr.us-east-1.amazonaws.com/serving:1",
        ServerlessMemoryMB="3072",
    ),
}
FUNCTION = ROOT / "functions" / "classify" / "classify"


def resource(name: str) -> dict[str, Any]:
    found: dict[str, Any] = template()["Resources"][name]
    return found


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = resource(name)["Properties"]
    return found


def endpoint_timeout_s(deployment: Deployment) -> int:
    variables = deployment.properties("ClassifyFunction")["Environment"]["Variables"]
    return int(variables["ENDPOINT_TIMEOUT_S"])


@pytest.mark.parametrize("mode", MODES)
def test_visibility_timeout_is_six_times_the_function_timeout(mode: str) -> None:
    timeout = MODES[mode].properties("ClassifyFunction")["Timeout"]
    assert MODES[mode].properties("UploadQueue")["VisibilityTimeout"] == 6 * timeout


@pytest.mark.parametrize("mode", MODES)
def test_function_has_the_time_for_every_attempt_at_the_endpoint(mode: str) -> None:
    timeout = MODES[mode].properties("ClassifyFunction")["Timeout"]
    worst_s = ENDPOINT_CONNECT_TIMEOUT_S + endpoint_timeout_s(MODES[mode]) + WRITE_RESERVE_S
    assert ATTEMPTS_TOGETHER * worst_s < timeout


def test_cold_start_of_four_minutes_is_waited_for_by_two_invocations() -> None:
    # Amazon SageMaker AI Developer Guide, "Invoke a serverless endpoint": three minutes for the
    # model to answer /ping, one for the request. API reference, "InvokeEndpoint": a client should
    # wait 70 s for a model that may take its 60.
    assert endpoint_timeout_s(MODES["serverless"]) == 70
    assert 2 * ATTEMPTS_TOGETHER * endpoint_timeout_s(MODES["serverless"]) > 4 * 60


def test_oldest_message_alarm_tells_of_a_backlog_and_leaves_failures_to_the_alarm_on_them() -> None:
    alarm = properties("OldestMessageAlarm")
    assert alarm["Threshold"] == 15 * 60
    assert "repeated-retries" in alarm["AlarmDescription"]


def test_latency_alarm_rings_at_a_quarter_of_the_function_s_patience() -> None:
    patience_s = endpoint_timeout_s(MODES["instances"])
    assert properties("EndpointLatencyAlarm")["Threshold"] == patience_s * 1_000_000 / 4


def test_default_concurrency_stays_within_what_one_instance_can_queue() -> None:
    parameters = template()["Parameters"]
    patience_s = endpoint_timeout_s(MODES["instances"])
    slowest_batch_s = 1
    bound = parameters["InstanceCount"]["Default"] * patience_s / 2 / slowest_batch_s
    assert parameters["MaxConcurrency"]["Default"] <= bound
    assert parameters["MaxConcurrency"]["Default"] == 4 * parameters["MaxInstanceCount"]["Default"]


def waits_s(chance: float) -> list[int]:
    """The waits after each of a photo's tries, the luckiest (0) or the unluckiest (1)."""
    variables = properties("ClassifyFunction")["Environment"]["Variables"]
    first_s, longest_s = (float(variables[name]) for name in ("FIRST_WAIT_S", "LONGEST_WAIT_S"))
    tries = properties("UploadQueue")["RedrivePolicy"]["maxReceiveCount"]
    return [wait_s(n, first_s, longest_s, lambda: chance) for n in range(1, tries + 1)]


def test_outage_of_twelve_hours_costs_no_photo_and_a_poison_photo_is_told_within_a_day() -> None:
    # The last try is made when all waits but the last one are over.
    assert sum(waits_s(0)[:-1]) > 13.5 * 3600
    assert sum(waits_s(1)) < 18.4 * 3600
    # One that ends the process: twice the queue's own time-out, then the waits, but none that ends
    # while the function may still run.
    for deployment, hours in ((MODES["instances"], 18.6), (MODES["serverless"], 19.42)):
        timeout_s = deployment.properties("ClassifyFunction")["Timeout"]
        visibility_s = deployment.properties("UploadQueue")["VisibilityTimeout"]
        waits = [wait if wait > timeout_s else timeout_s + wait for wait in waits_s(1)[2:]]
        assert hours - 0.1 < (2 * visibility_s + sum(waits)) / 3600 < hours


def test_fault_of_a_moment_is_answered_within_a_minute() -> None:
    # Three tries more, whatever chance says.
    assert sum(waits_s(1)[:3]) < 60


def test_both_queues_keep_messages_14_days_and_one_is_the_other_s_dead_letter_queue() -> None:
    redrive = properties("UploadQueue")["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    for queue in ("UploadQueue", "DeadLetterQueue"):
        assert properties(queue)["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_dead_letter_queue_takes_from_the_two_queues_only() -> None:
    names = [properties(f"{lane}Queue")["QueueName"]["Fn::Sub"] for lane in ("Upload", "Backfill")]
    assert properties("DeadLetterQueue")["RedriveAllowPolicy"] == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [
            {"Fn::Sub": f"arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:{name}"}
            for name in names
        ],
    }


def test_a_back_fill_waits_and_dies_as_uploads_do() -> None:
    upload, backfill = properties("UploadQueue"), properties("BackfillQueue")
    assert upload | {"QueueName": ""} == backfill | {"QueueName": ""}


def test_every_bucket_queue_topic_and_table_is_encrypted() -> None:
    for queue in of_type(template(), "AWS::SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"] is True
    for bucket in of_type(template(), "AWS::S3::Bucket").values():
        rules = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rules == [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    for topic in of_type(template(), "AWS::SNS::Topic").values():
        assert topic["KmsMasterKeyId"] == {"Fn::GetAtt": ["AlarmKey", "Arn"]}
    for table in of_type(template(), "AWS::DynamoDB::Table").values():
        assert table["SSESpecification"] == {"SSEEnabled": True}


def test_bucket_is_private_versioned_and_never_deletes_a_photo() -> None:
    bucket = properties("UploadBucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    rules = Deployment(RetentionDays="30").properties("UploadBucket")["LifecycleConfiguration"]
    for rule in rules["Rules"]:
        assert rule["Status"] == "Enabled"
        deletes = {key for mapping in walk(rule) for key in mapping if "Expir" in key}
        assert not deletes or rule["Prefix"] == "thumbnails/"
    keys = {key for mapping in walk(rules) for key in mapping}
    assert "AbortIncompleteMultipartUpload" in keys
    assert "NoncurrentVersionTransitions" in keys


@pytest.mark.parametrize("days", ["0", "30"])
def test_thumbnails_go_with_their_rows_and_deleted_ones_after_a_day(days: str) -> None:
    bucket = Deployment(RetentionDays=days).properties("UploadBucket")
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    deleted = rules.pop("forget-deleted-thumbnails")
    assert deleted["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    assert deleted["ExpiredObjectDeleteMarker"] is True
    expiring = rules.pop("expire-thumbnails-with-their-rows", None)
    assert (expiring is None) == (days == "0")
    if expiring:
        assert str(expiring["ExpirationInDays"]) == days
    assert all("Prefix" not in rule for rule in rules.values())


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-1", "cn-northwest-1"])
def test_bucket_lies_in_the_account_s_own_namespace(region: str) -> None:
    bucket = Deployment(region).properties("UploadBucket")
    assert bucket["BucketNamespace"] == "account-regional"
    assert bucket["BucketName"] == f"stack-uploads-123456789012-{region}-an"
    request = {"Bucket": bucket["BucketName"], "BucketNamespace": bucket["BucketNamespace"]}
    assert problems("s3", "CreateBucket", request) == []


def test_bucket_of_a_region_without_namespaces_has_a_name_for_everyone() -> None:
    bucket = Deployment("me-central-1").properties("UploadBucket")
    assert "BucketNamespace" not in bucket
    assert bucket["BucketName"] == "stack-uploads-123456789012-me-central-1"


def test_longest_stack_name_that_is_promised_fits_the_bucket_s_name() -> None:
    promised = re.search(r"at most (\d+) characters", template()["Description"])
    assert promised
    name = Deployment("ap-southeast-1").properties("UploadBucket")["BucketName"]
    assert len(name) - len("stack") + int(promised[1]) == 63


def test_bucket_tells_the_queue_what_happens_to_photos_once_the_queue_lets_it() -> None:
    bucket = resource("UploadBucket")
    assert "UploadQueuePolicy" in bucket["DependsOn"]
    assert bucket["Properties"]["NotificationConfiguration"]["QueueConfigurations"] == [
        {
            "Event": event,
            "Queue": {"Fn::GetAtt": ["UploadQueue", "Arn"]},
            "Filter": {"S3Key": {"Rules": [{"Name": "prefix", "Value": "uploads/"}]}},
        }
        # Nothing outside uploads/: no thumbnail comes back as a photo.
        for event in ("s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectRestore:Completed")
    ]


@pytest.mark.parametrize(
    "name", ["UploadBucket", "PredictionsTable", "DeploymentsTable", "ModelPackageGroup"]
)
def test_users_data_outlives_the_stack(name: str) -> None:
    assert resource(name)["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource(name)["UpdateReplacePolicy"] == "Retain"


def test_deployments_of_a_stack_are_in_the_order_of_their_times() -> None:
    table = properties("DeploymentsTable")
    assert table["KeySchema"] == [
        {"AttributeName": "stack", "KeyType": "HASH"},
        {"AttributeName": "at", "KeyType": "RANGE"},
    ]
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_table_has_its_key_and_its_indexes() -> None:
    table = properties("PredictionsTable")

    def key(schema: list[dict[str, str]]) -> list[str]:
        return [f"{part['AttributeName']} {part['KeyType']}" for part in schema]

    assert key(table["KeySchema"]) == ["image_key HASH"]
    assert {i["IndexName"]: key(i["KeySchema"]) for i in table["GlobalSecondaryIndexes"]} == {
        "by-breed": ["breed HASH", "classified_at RANGE"],
        "by-month": ["month_shard HASH", "classified_at RANGE"],
        "by-status": ["status_month HASH", "classified_at RANGE"],
        "by-confidence": ["confidence_key HASH", "confidence RANGE"],
        "reviewed": ["reviewed_in HASH", "reviewed_at RANGE"],
        "sample": ["sample_key HASH", "sample_order RANGE"],
    }
    types = {a["AttributeName"]: a["AttributeType"] for a in table["AttributeDefinitions"]}
    assert [name for name, type_ in types.items() if type_ != "S"] == ["confidence"]
    assert types["confidence"] == "N"
    assert all(
        i["Projection"] == {"ProjectionType": "ALL"} for i in table["GlobalSecondaryIndexes"]
    )
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_queue_feeds_the_function_in_batches_that_can_fail_in_part() -> None:
    event = properties("ClassifyFunction")["Events"]["Uploads"]["Properties"]
    assert event == {
        "Queue": {"Fn::GetAtt": ["UploadQueue", "Arn"]},
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": {"Ref": "MaxConcurrency"}},
    }


def test_handler_exists_in_the_function_s_folder() -> None:
    module, name = properties("ClassifyFunction")["Handler"].rsplit(".", 1)
    path = ROOT / properties("ClassifyFunction")["CodeUri"] / f"{module.replace('.', '/')}.py"
    tree = ast.parse(path.read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_function_gets_variables_that_it_reads_and_none_it_requires_is_missing() -> None:
    calls = [
        node
        for node in ast.walk(ast.parse((FUNCTION / "settings.py").read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    read = {
        reader: {c.args[1].value for c in calls if c.func.id == reader}  # type: ignore[attr-defined]
        for reader in ("_required", "_number")
    }
    given = properties("ClassifyFunction")["Environment"]["Variables"]
    ours = {name for name in given if not name.startswith("POWERTOOLS_")}
    assert read["_required"] <= ours <= read["_required"] | read["_number"]


def test_log_groups_expire_and_the_function_writes_to_its_own() -> None:
    groups = of_type(template(), "AWS::Logs::LogGroup")
    assert {g["RetentionInDays"]["Ref"] for g in groups.values()} == {"LogRetentionDays"}
    function = properties("ClassifyFunction")
    assert function["LoggingConfig"] == {"LogGroup": {"Ref": "ClassifyLogGroup"}}
    # The name that `sam logs` looks for.
    name = function["FunctionName"]["Fn::Sub"]
    assert groups["ClassifyLogGroup"]["LogGroupName"] == {"Fn::Sub": f"/aws/lambda/{name}"}


def test_new_model_package_updates_the_endpoint_in_place() -> None:
    # GIVEN a model and a configuration without names, so that a change makes new ones
    assert "ModelName" not in properties("Model")
    assert "EndpointConfigName" not in properties("EndpointConfig")
    # THEN the endpoint's own name does not depend on the package
    assert "ModelDataUrl" not in references(properties("Endpoint")["EndpointName"])
    assert properties("Endpoint")["EndpointConfigName"] == {
        "Fn::GetAtt": ["EndpointConfig", "EndpointConfigName"]
    }


def test_endpoint_parts_are_made_only_without_an_existing_endpoint() -> None:
    made = {
        name: r["Condition"]
        for name, r in template()["Resources"].items()
        if "SageMaker" in r["Type"] or "AutoScaling" in r["Type"]
    }
    assert made == {
        "Model": "CreateEndpoint",
        "EndpointConfig": "CreateEndpoint",
        "Endpoint": "CreateEndpoint",
        "ModelPackageGroup": "CreateEndpoint",
        "EndpointScaling": "Scaled",
        "EndpointScalingPolicy": "Scaled",
    }


def test_every_name_in_the_contract_is_there() -> None:
    assert {
        "UploadBucket",
        "UploadQueue",
        "DeadLetterQueue",
        "ClassifyFunction",
        "PredictionsTable",
        "Model",
        "EndpointConfig",
        "Endpoint",
    } <= template()["Resources"].keys()
    assert template()["Outputs"].keys() >= {
        "BucketName",
        "TableName",
        "DeploymentsTableName",
        "QueueUrl",
        "DeadLetterQueueUrl",
        "EndpointName",
        "FunctionName",
        "UploadCommand",
        "QueryCommand",
    }
    assert template()["Parameters"]["FunctionRuntime"]["AllowedValues"] == [
        "python3.11",
        "python3.12",
        "python3.13",
        "python3.14",
    ]


def test_every_parameter_is_used_described_and_asked_in_a_group() -> None:
    source = template()
    used = references({k: source[k] for k in ("Resources", "Outputs", "Conditions", "Rules")})
    groups = source["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    asked = [name for group in groups for name in group["Parameters"]]
    assert sorted(asked) == sorted(source["Parameters"])
    assert set(source["Parameters"]) <= used
    for name, parameter in source["Parameters"].items():
        assert parameter["Description"], name
        assert "Default" in parameter, name


def test_every_suppressed_check_says_why() -> None:
    for name, r in template()["Resources"].items():
        metadata = r.get("Metadata", {})
        assert metadata.keys() <= {"checkov"}, name
        for skip in listed(metadata.get("checkov", {}).get("skip", [])):
            assert len(skip["comment"]) > 30, (name, skip["id"])


def test_zip_of_the_usual_stack_lies_in_its_own_folder() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]
    stack = config["global"]["parameters"]["stack_name"]
    assert config["deploy"]["parameters"]["s3_prefix"] == stack


def test_samconfig_grants_no_more_than_the_template_needs() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]
    assert config["global"]["parameters"]["stack_name"] == "breed-classifier"
    assert config["deploy"]["parameters"]["capabilities"] == "CAPABILITY_IAM"
    assert config["deploy"]["parameters"]["confirm_changeset"] is True
    assert config["validate"]["parameters"]["lint"] is True
