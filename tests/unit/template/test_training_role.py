"""The role of training jobs: what AWS's guide lists, on this project's buckets, and no more."""

from __future__ import annotations

from typing import Any

from tests.unit.template.cloudformation import ROOT, listed, parse, references
from tests.unit.template.evaluation import Deployment
from training.jobs import roles

SOURCE = parse((ROOT / "training" / "role.yaml").read_text())


def statements(**parameters: str) -> dict[str, dict[str, Any]]:
    role = Deployment(source=SOURCE, **parameters).properties("TrainingRole")
    (policy,) = role["Policies"]
    return {s["Sid"]: s for s in policy["PolicyDocument"]["Statement"]}


def test_sagemaker_alone_may_take_the_role_and_only_for_this_account() -> None:
    role = Deployment(source=SOURCE).properties("TrainingRole")
    assert role["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
        }
    ]
    assert "RoleName" not in role
    assert "ManagedPolicyArns" not in role


def test_job_may_do_what_aws_lists_for_a_training_job_and_nothing_else() -> None:
    # Amazon SageMaker AI Developer Guide, "CreateTrainingJob API: Execution Role Permissions".
    granted = {a for s in statements(DataBucket="photos").values() for a in listed(s["Action"])}
    assert granted == {
        "cloudwatch:PutMetricData",
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
    }


def test_only_actions_without_a_resource_are_granted_on_everything() -> None:
    starred = {sid: s for sid, s in statements().items() if s["Resource"] == "*"}
    assert starred.keys() == {"LogInToRegistry", "SendMetrics"}
    assert starred["SendMetrics"]["Condition"] == {
        "StringEquals": {"cloudwatch:namespace": "/aws/sagemaker/TrainingJobs"}
    }


def test_jobs_write_to_the_sdk_s_bucket_unless_another_is_named() -> None:
    sdk = "arn:aws:s3:::sagemaker-us-east-1-123456789012"
    for parameters, bucket in (({}, sdk), ({"JobsBucket": "mine"}, "arn:aws:s3:::mine")):
        found = statements(**parameters)
        assert found["ReadCodeWriteResults"]["Resource"] == f"{bucket}/*"
        assert found["ListBucketOfJobs"]["Resource"] == bucket


def test_photos_of_another_bucket_are_read_and_never_written() -> None:
    assert "ReadPhotos" not in statements()
    photos = statements(DataBucket="photos")["ReadPhotos"]
    assert photos["Action"] == ["s3:GetObject", "s3:ListBucket"]
    assert photos["Resource"] == ["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"]


def test_image_comes_from_aws_or_from_an_own_repository() -> None:
    start = "arn:aws:ecr:us-east-1:*:repository/"
    assert statements()["PullImage"]["Resource"] == f"{start}pytorch"
    own = statements(ImageRepository="team/training")["PullImage"]["Resource"]
    assert own == f"{start}team/training"


def test_first_job_and_first_managed_rule_of_an_account_can_make_their_log_groups() -> None:
    # GIVEN an account that has run nothing, WHEN a job with --managed-rules runs
    logs = statements()["WriteLogs"]
    # THEN it and its rules may write, and to no other group
    groups = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/"
    assert logs["Resource"] == [f"{groups}TrainingJobs*", f"{groups}ProcessingJobs*"]


def test_every_parameter_has_a_default_and_a_use() -> None:
    assert references({k: SOURCE[k] for k in ("Conditions", "Resources")}) == set(
        SOURCE["Parameters"]
    )
    assert all("Default" in parameter for parameter in SOURCE["Parameters"].values())


def test_stack_tells_the_role_s_arn() -> None:
    (output,) = SOURCE["Outputs"].items()
    assert output[0] == roles.OUTPUT
    assert output[1]["Value"] == {"Fn::GetAtt": ["TrainingRole", "Arn"]}
