"""Who may do what: least privilege, TLS only, and nobody else's bucket."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.template.cloudformation import (
    Statement,
    listed,
    of_type,
    references,
    statements,
    template,
    translated,
)
from tests.unit.template.evaluation import Deployment

REGIONS = ["us-east-1", "me-south-1"]  # with and without S3's account regional namespaces

# (resource, Sid) of every statement that may say Resource: "*", with the reason.
MAY_SAY_ANY_RESOURCE = {
    ("ClassifyRole", "SendTraces"): "X-Ray's write actions have no resource type",
    ("ModelRole", "LogInToRegistry"): "a registry login is for the account, not for a repository",
    ("ModelRole", "SendMetrics"): "metrics have no ARN; a condition narrows the namespace",
    ("AlarmKey", "AccountAdministers"): "in a key policy * is the key itself",
    ("AlarmKey", "AlarmsMayEncrypt"): "in a key policy * is the key itself",
}
MAY_SAY_ANY_ACTION = {
    ("AlarmKey", "AccountAdministers"): "without it nobody could ever change the key's policy",
}


def both() -> list[Statement]:
    return statements(template()) + statements(translated())


def id_of(statement: Statement) -> tuple[str, str]:
    return statement.resource, statement.sid


def test_statements_outside_the_allow_list_name_their_resources() -> None:
    offenders = {
        id_of(s)
        for s in both()
        if any(r == "*" for r in listed(s.body.get("Resource", [])))
        and id_of(s) not in MAY_SAY_ANY_RESOURCE
    }
    assert not offenders


def test_allow_list_holds_nothing_that_is_no_longer_needed() -> None:
    starred = {id_of(s) for s in both() if s.body.get("Resource") == "*"}
    assert set(MAY_SAY_ANY_RESOURCE) <= starred


def test_granting_statements_name_their_actions() -> None:
    offenders = {
        id_of(s)
        for s in both()
        if s.body["Effect"] == "Allow"
        and any(a == "*" or a.endswith(":*") for a in listed(s.body["Action"]))
        and id_of(s) not in MAY_SAY_ANY_ACTION
    }
    assert not offenders


def test_nothing_is_granted_to_everyone() -> None:
    offenders = {
        id_of(s)
        for s in both()
        if s.body["Effect"] == "Allow" and s.body.get("Principal") in ("*", {"AWS": "*"})
    }
    assert not offenders


def test_no_role_takes_a_managed_policy() -> None:
    for source in (template(), translated()):
        for name, role in of_type(source, "AWS::IAM::Role").items():
            assert not role.get("ManagedPolicyArns"), name


def test_sam_adds_no_role_and_no_policy_of_its_own() -> None:
    assert of_type(translated(), "AWS::IAM::Role").keys() == {"ClassifyRole", "ModelRole"}
    assert not of_type(translated(), "AWS::IAM::Policy")


def test_roles_have_generated_names_so_that_capability_iam_is_enough() -> None:
    for name, role in of_type(template(), "AWS::IAM::Role").items():
        assert "RoleName" not in role, name


def denies_plain_http(statement: dict[str, Any]) -> bool:
    wanted = {"Bool": {"aws:SecureTransport": "false"}}
    found = (statement["Effect"], statement["Principal"], statement.get("Condition"))
    return found == ("Deny", "*", wanted)


@pytest.mark.parametrize(
    ("kind", "policy_kind", "link", "action"),
    [
        ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "Bucket", "s3:*"),
        ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "Queues", "sqs:*"),
        ("AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "Topics", "sns:Publish"),
    ],
)
def test_every_bucket_queue_and_topic_refuses_plain_http(
    kind: str, policy_kind: str, link: str, action: str
) -> None:
    protected = {
        target
        for policy in of_type(template(), policy_kind).values()
        for statement in policy["PolicyDocument"]["Statement"]
        if denies_plain_http(statement) and statement["Action"] == action
        for target in references(policy[link]) & references(statement["Resource"])
    }
    assert protected == of_type(template(), kind).keys()


def test_bucket_policy_covers_the_bucket_and_its_objects() -> None:
    policy = of_type(template(), "AWS::S3::BucketPolicy")["UploadBucketPolicy"]
    assert policy["PolicyDocument"]["Statement"][0]["Resource"] == [
        {"Fn::GetAtt": ["UploadBucket", "Arn"]},
        {"Fn::Sub": "${UploadBucket.Arn}/*"},
    ]


@pytest.mark.parametrize("region", REGIONS)
def test_only_our_bucket_of_our_account_may_send_to_the_queue(region: str) -> None:
    deployment = Deployment(region)
    policy = deployment.properties("UploadQueuePolicy")
    granted = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    assert len(granted) == 1
    name = deployment.properties("UploadBucket")["BucketName"]
    assert granted[0]["Principal"] == {"Service": "s3.amazonaws.com"}
    assert granted[0]["Condition"] == {
        "ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{name}"},
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }


@pytest.mark.parametrize("region", REGIONS)
def test_function_reads_uploads_of_our_bucket_only(region: str) -> None:
    deployment = Deployment(region)
    name = deployment.properties("UploadBucket")["BucketName"]
    resources = resources_of_the_function(deployment)
    assert resources["ReadPhotos"] == [f"arn:aws:s3:::{name}/uploads/*"]
    assert resources["KeepThumbnails"] == f"arn:aws:s3:::{name}/thumbnails/*"
    assert resources["TellGoneFromForbidden"] == [f"arn:aws:s3:::{name}"]
    assert resources["SeeWhatARemovalLeaves"] == f"arn:aws:s3:::{name}"


def test_function_reads_another_bucket_where_it_is_named() -> None:
    resources = resources_of_the_function(Deployment("us-east-1", BackfillBucket="shelter"))
    assert resources["ReadPhotos"][1:] == ["arn:aws:s3:::shelter/*"]
    assert resources["TellGoneFromForbidden"][1:] == ["arn:aws:s3:::shelter"]
    assert "shelter" not in str(resources["KeepThumbnails"])


def test_function_decrypts_objects_of_the_other_bucket_alone_and_by_s3() -> None:
    def decrypting(**parameters: Any) -> list[dict[str, Any]]:
        policies = Deployment("us-east-1", **parameters).properties("ClassifyRole")["Policies"]
        found = [s for policy in policies for s in policy["PolicyDocument"]["Statement"]]
        return [s for s in found if s["Action"] == "kms:Decrypt"]

    assert decrypting() == []
    (statement,) = decrypting(BackfillBucket="shelter")
    # A key of another account, whose name nobody knows here: the conditions are what holds it.
    assert statement["Condition"] == {
        "StringLike": {
            "kms:ViaService": "s3.*.amazonaws.com",
            "kms:EncryptionContext:aws:s3:arn": ["arn:aws:s3:::shelter", "arn:aws:s3:::shelter/*"],
        }
    }


def resources_of_the_function(deployment: Deployment) -> dict[str, Any]:
    policy, *_ = deployment.properties("ClassifyRole")["Policies"]
    return {s["Sid"]: s["Resource"] for s in policy["PolicyDocument"]["Statement"]}


def test_function_may_do_what_it_calls_and_no_more() -> None:
    allowed = {
        action
        for s in statements(template())
        if s.resource == "ClassifyRole" and s.sid
        for action in listed(s.body["Action"])
    }
    assert allowed == {
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ChangeMessageVisibility",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:ListBucket",
        "s3:ListBucketVersions",
        "dynamodb:BatchGetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "kms:Decrypt",
        "sagemaker:InvokeEndpoint",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
    }


def test_function_delays_and_deletes_messages_of_its_own_queues_alone() -> None:
    (taking,) = [s.body for s in statements(template()) if s.sid == "TakeFromQueues"]
    assert taking["Resource"] == [
        {"Fn::GetAtt": [queue, "Arn"]} for queue in ("UploadQueue", "BackfillQueue")
    ]
