"""What CloudFormation asks SageMaker for on the template's behalf, held against AWS's own model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.aws_model import problems
from tests.unit.template.cloudformation import ROOT, of_type, template
from tests.unit.template.evaluation import Deployment

PACKAGE = "s3://models/breeds/v1/model.tar.gz"
SLIM = "123456789012.dkr.ecr.us-east-1.amazonaws.com/breeds/serving:1"
MODES = {
    "instances": Deployment(ModelDataUrl=PACKAGE),
    "one-instance": Deployment(ModelDataUrl=PACKAGE, InstanceCount=1, MaxInstanceCount=1),
    "serverless": Deployment(ModelDataUrl=PACKAGE, ServingImage=SLIM, ServerlessMemoryMB="3072"),
}


@pytest.fixture(params=MODES)
def deployment(request: pytest.FixtureRequest) -> Deployment:
    return MODES[request.param]


def aws_accounts() -> dict[str, str]:
    """Region -> the account that holds the Ray image, as the SageMaker Python SDK has it."""
    tables = list(
        (ROOT / ".venv" / "sdk").glob(
            "lib/python3*/site-packages/sagemaker/core/image_uri_config/ray-serve.json"
        )
    )
    if not tables:
        pytest.skip("needs the SageMaker SDK: run `make .venv/sdk/.stamp`")
    image = template()["Resources"]["Model"]["Properties"]["PrimaryContainer"]["Image"]
    version = image["Fn::If"][1]["Fn::Sub"][0].rpartition("-v")[2]
    config = json.loads(Path(tables[0]).read_text(encoding="utf-8"))["versions"][version]
    assert config["repository"] == "ray"
    assert config["tag_prefix"] == "serve-ml-sagemaker"
    accounts: dict[str, str] = config["registries"]
    return accounts


def image_permissions(deployment: Deployment) -> Any:
    """The repositories that the endpoint's role may pull from."""
    (policy,) = deployment.properties("ModelRole")["Policies"]
    statements = {s["Sid"]: s for s in policy["PolicyDocument"]["Statement"]}
    return statements["PullImage"]["Resource"]


def test_model_and_endpoint_configuration_are_requests_that_aws_accepts(
    deployment: Deployment,
) -> None:
    model = {"ModelName": "m"} | deployment.properties("Model")
    config = {"EndpointConfigName": "c"} | deployment.properties("EndpointConfig")
    if "ServerlessConfig" in (variant := config["ProductionVariants"][0]):
        # A parameter is text; CloudFormation makes the number of it.
        variant["ServerlessConfig"]["MemorySizeInMB"] = 3072

    assert problems("sagemaker", "CreateModel", model) == []
    assert problems("sagemaker", "CreateEndpointConfig", config) == []


def test_endpoint_is_made_and_updated_by_requests_that_aws_accepts(deployment: Deployment) -> None:
    endpoint = deployment.properties("Endpoint")
    made = {name: endpoint[name] for name in ("EndpointName", "EndpointConfigName")}

    assert problems("sagemaker", "CreateEndpoint", made) == []
    assert problems("sagemaker", "UpdateEndpoint", endpoint) == []


def test_every_alarm_is_a_request_that_aws_accepts() -> None:
    deployment = MODES["instances"]
    for name in of_type(template(), "AWS::CloudWatch::Alarm"):
        assert problems("cloudwatch", "PutMetricAlarm", deployment.properties(name)) == [], name


def test_update_of_an_endpoint_on_instances_is_rolled_back_by_alarms_of_the_new_fleet_alone() -> (
    None
):
    deployment = MODES["instances"]
    endpoint = deployment.properties("Endpoint")
    guard = endpoint["DeploymentConfig"]
    assert guard["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] > 0
    alarms = [a["AlarmName"] for a in guard["AutoRollbackConfiguration"]["Alarms"]]
    assert alarms == ["NewFleetErrorsAlarm", "NewFleetLatencyAlarm"]
    for name in alarms:
        alarm = deployment.properties(name)
        dimensions = {d["Name"]: d["Value"] for d in alarm["Dimensions"]}
        assert dimensions == {
            "EndpointName": endpoint["EndpointName"],
            "VariantName": "AllTraffic",
            "EndpointConfigName": "EndpointConfig",
        }
        # A new configuration's alarm is a new one, which nothing has rung yet.
        assert alarm["AlarmName"].endswith("-EndpointConfig")
        assert "AlarmActions" not in alarm


def test_alarms_of_the_new_fleet_judge_as_those_that_send_mail() -> None:
    for name in ("Errors", "Latency"):
        new, mailing = (
            {
                key: value
                for key, value in MODES["instances"].properties(f"{kind}{name}Alarm").items()
                if key not in ("AlarmName", "AlarmDescription", "Dimensions")
            }
            for kind in ("NewFleet", "Endpoint")
        )
        assert new == mailing


def test_role_may_see_the_alarms_that_roll_back_and_no_others() -> None:
    deployment = MODES["instances"]
    (policy,) = deployment.properties("ModelRole")["Policies"]
    statements = {s["Sid"]: s for s in policy["PolicyDocument"]["Statement"]}
    allowed = statements["SeeRollbackAlarms"]
    assert allowed["Action"] == "cloudwatch:DescribeAlarms"
    start = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:"
    assert allowed["Resource"].startswith(start)
    pattern = allowed["Resource"].removeprefix(start)
    assert pattern.endswith("*")
    for name in of_type(template(), "AWS::CloudWatch::Alarm"):
        alarm = deployment.properties(name)["AlarmName"]
        assert alarm.startswith(pattern[:-1]) == name.startswith("NewFleet"), name


def test_number_of_instances_is_kept_only_where_autoscaling_has_set_it() -> None:
    kept = {m: d.properties("Endpoint").get("RetainAllVariantProperties") for m, d in MODES.items()}
    assert kept == {"instances": True, "one-instance": False, "serverless": None}


def test_endpoint_whose_settings_change_gets_a_new_configuration_to_be_updated_with() -> None:
    # API reference, "UpdateEndpoint": an endpoint is updated with a new EndpointConfig, or not.
    with_scaling, without = (
        (d.properties("Endpoint"), d.properties("EndpointConfig"))
        for d in (MODES["instances"], MODES["one-instance"])
    )
    assert with_scaling[0] != without[0]
    assert with_scaling[1] != without[1]


def test_requests_go_to_the_instance_that_has_the_fewest() -> None:
    routing = {
        mode: d.properties("EndpointConfig")["ProductionVariants"][0].get("RoutingConfig")
        for mode, d in MODES.items()
    }
    fewest = {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}
    assert routing == {"instances": fewest, "one-instance": fewest, "serverless": None}


def test_model_that_a_rollback_went_back_to_outlives_the_update() -> None:
    for name in ("Model", "EndpointConfig"):
        resource = template()["Resources"][name]
        assert resource["UpdateReplacePolicy"] == "Retain"
        assert resource["DeletionPolicy"] == "Delete"
        assert MODES["instances"].properties(name)["Tags"] == [{"Key": "stack", "Value": "stack"}]


def test_image_comes_from_the_account_that_the_sdk_knows_for_the_region() -> None:
    accounts = aws_accounts()
    assert len(accounts) >= 45
    for region, account in accounts.items():
        deployment = Deployment(region, ModelDataUrl=PACKAGE)
        assert deployment.refusals() == [], region
        registry, _, name = deployment.properties("Model")["PrimaryContainer"]["Image"].partition(
            "/"
        )
        suffix = deployment.reference("AWS::URLSuffix")
        assert registry == f"{account}.dkr.ecr.{region}.{suffix}"
        assert name.startswith("ray:serve-ml-sagemaker-cpu-v")
        arn = image_permissions(deployment)
        assert arn.split(":")[2:] == ["ecr", region, account, "repository/ray"], region


def test_table_of_accounts_holds_no_region_that_the_sdk_does_not_know() -> None:
    assert {
        region: row["Account"] for region, row in template()["Mappings"]["AwsImages"].items()
    } == aws_accounts()


def test_region_without_the_image_is_refused_before_anything_is_made() -> None:
    elsewhere = "xx-north-9"
    assert Deployment(elsewhere, ModelDataUrl=PACKAGE).refusals() == ["RegionHasTheImage"]
    # AND not where the image is the user's own, or no endpoint is made
    own = SLIM.replace("us-east-1", elsewhere)
    deployment = Deployment(elsewhere, ModelDataUrl=PACKAGE, ServingImage=own)
    assert deployment.refusals() == []
    assert deployment.properties("Model")["PrimaryContainer"]["Image"] == own
    assert Deployment(elsewhere, EndpointName="mine").refusals() == []


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/breeds/serving:1.0", "breeds"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/breeds:1.0", "breeds"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/breeds@sha256:0123abcd", "breeds"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/breeds:1.0", "breeds"),
        ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu/a/b/c@sha256:0123", "a"),
    ],
)
def test_role_may_pull_an_own_image_from_its_repository(image: str, repository: str) -> None:
    pattern = template()["Parameters"]["ServingImage"]["AllowedPattern"]
    assert re.fullmatch(pattern, image)
    region = image.split(".")[3]
    arn = f"arn:aws:ecr:{region}:123456789012:repository/{repository}"
    granted = image_permissions(Deployment(ModelDataUrl=PACKAGE, ServingImage=image))
    assert granted == [arn, f"{arn}/*"]


def test_serverless_endpoint_wants_an_image_that_starts_there() -> None:
    without = Deployment(ModelDataUrl=PACKAGE, ServerlessMemoryMB="3072")
    assert without.refusals() == ["ServerlessNeedsItsImage"]
    assert MODES["serverless"].refusals() == []
    assert Deployment(ServerlessMemoryMB="3072", EndpointName="mine").refusals() == []


def test_stack_wants_a_model_or_an_endpoint() -> None:
    assert Deployment().refusals() == ["ModelOrEndpoint"]
    assert Deployment(ModelDataUrl=PACKAGE).refusals() == []


def test_serverless_memory_is_what_sagemaker_offers_and_a_new_account_may_have() -> None:
    sizes = template()["Parameters"]["ServerlessMemoryMB"]["AllowedValues"]
    assert sizes[:2] == [
        0,
        2048,
    ]  # with 1024 MB Ray is killed, and a slim image has little of a vCPU
    assert 3072 in sizes
    for size in sizes[1:]:
        serverless = {"MemorySizeInMB": size, "MaxConcurrency": 8}
        variant = {"VariantName": "AllTraffic", "ModelName": "m", "ServerlessConfig": serverless}
        config = {"EndpointConfigName": "c", "ProductionVariants": [variant]}
        assert problems("sagemaker", "CreateEndpointConfig", config) == []


def test_image_of_china_has_china_s_address() -> None:
    image = Deployment("cn-north-1", ModelDataUrl=PACKAGE).properties("Model")
    address = image["PrimaryContainer"]["Image"].partition("/")[0]
    assert address == "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn"


def test_container_finds_the_package_s_code_and_reports_to_nobody(deployment: Deployment) -> None:
    assert deployment.properties("Model")["PrimaryContainer"]["Environment"] == {
        "PYTHONPATH": "/opt/ml/model/code",
        "SERVING_PRECISION": "float32",
        "RAY_USAGE_STATS_ENABLED": "0",
        "OPT_OUT_TRACKING": "true",
    }


def test_container_on_instances_has_no_network() -> None:
    isolated = {m: d.properties("Model")["EnableNetworkIsolation"] for m, d in MODES.items()}
    assert isolated == {"instances": True, "one-instance": True, "serverless": False}


def test_container_may_take_five_times_as_long_to_start_as_it_was_seen_to() -> None:
    config = MODES["instances"].properties("EndpointConfig")
    (variant,) = config["ProductionVariants"]
    seen_s = 67  # AWS's entrypoint with the starter package on two slow cores
    assert variant["ContainerStartupHealthCheckTimeoutInSeconds"] >= 5 * seen_s


def test_old_fleet_is_kept_until_the_new_one_s_alarms_have_seen_their_periods() -> None:
    policy = MODES["instances"].properties("Endpoint")["DeploymentConfig"]["BlueGreenUpdatePolicy"]
    for name in ("NewFleetErrorsAlarm", "NewFleetLatencyAlarm"):
        alarm = MODES["instances"].properties(name)
        watched_s = alarm["Period"] * alarm["EvaluationPeriods"]
        # Metrics come a minute or two late.
        assert policy["TerminationWaitInSeconds"] >= watched_s + 120


@pytest.mark.parametrize(("count", "expected"), [(1, "ALL_AT_ONCE"), (2, "CANARY"), (5, "CANARY")])
def test_of_several_instances_one_takes_its_share_first(count: int, expected: str) -> None:
    deployment = Deployment(ModelDataUrl=PACKAGE, InstanceCount=count, MaxInstanceCount=6)
    policy = deployment.properties("Endpoint")["DeploymentConfig"]["BlueGreenUpdatePolicy"]
    routing = policy["TrafficRoutingConfiguration"]
    assert routing["Type"] == expected
    if expected == "CANARY":
        assert routing["CanarySize"] == {"Type": "INSTANCE_COUNT", "Value": 1}
        alarm = deployment.properties("NewFleetErrorsAlarm")
        assert routing["WaitIntervalInSeconds"] >= alarm["Period"] * alarm["EvaluationPeriods"]


def test_serverless_endpoint_takes_as_many_requests_as_there_are_functions() -> None:
    deployment = Deployment(
        ModelDataUrl=PACKAGE, ServingImage=SLIM, ServerlessMemoryMB="3072", MaxConcurrency=5
    )
    (variant,) = deployment.properties("EndpointConfig")["ProductionVariants"]
    assert variant["ServerlessConfig"]["MaxConcurrency"] == 5


def test_endpoint_grows_from_its_count_to_its_maximum_below_what_an_instance_can_do() -> None:
    deployment = Deployment(ModelDataUrl=PACKAGE, InstanceCount=3, MaxInstanceCount=6)
    target = deployment.properties("EndpointScaling")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (3, 6)
    policy = deployment.properties("EndpointScalingPolicy")
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    slow_batch_s, share = 0.2, 0.7
    assert tracking["TargetValue"] <= share * 60 / slow_batch_s
    assert not MODES["one-instance"].made("EndpointScaling")


def test_role_of_the_endpoint_writes_metrics_to_its_own_namespaces_only() -> None:
    (policy,) = MODES["instances"].properties("ModelRole")["Policies"]
    statements = {s["Sid"]: s for s in policy["PolicyDocument"]["Statement"]}
    assert statements["SendMetrics"]["Condition"] == {
        "StringEquals": {"cloudwatch:namespace": ["AWS/SageMaker", "/aws/sagemaker/Endpoints"]}
    }
