"""The request for AWS's own rules is the one that the SageMaker SDK would make."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

ROOT = Path(__file__).resolve().parents[3]
SDK = ROOT / ".venv" / "sdk" / "bin" / "python"
REGION, OUTPUT = "eu-west-1", "s3://bucket/prefix"

# As a user of the SDK would write it, with the interval trap and the ReLU inputs minded.
SCRIPT = f"""
import json
from sagemaker.core.debugger import (
    CollectionConfig, DebuggerHookConfig, ProfilerConfig, ProfilerRule, Rule, rule_configs,
    get_rule_container_image_uri,
)
from training.jobs.managed_rules import COLLECTIONS, EVERY_STEP, request_members

gradients, relu_input = (CollectionConfig(*one) for one in COLLECTIONS.items())
rules = [
    Rule.sagemaker(rule_configs.vanishing_gradient(), collections_to_save=[gradients]),
    Rule.sagemaker(rule_configs.overfit()),
    Rule.sagemaker(rule_configs.overtraining()),
    Rule.sagemaker(rule_configs.poor_weight_initialization(), collections_to_save=[relu_input]),
]
report = ProfilerRule.sagemaker(rule_configs.ProfilerReport())
for rule in (*rules, report):  # what the SDK's estimator does before it sends the request
    assert rule.image_uri == "DEFAULT_RULE_EVALUATOR_IMAGE"
    rule.image_uri = get_rule_container_image_uri(rule.name, "{REGION}")
collections = [one for rule in rules for one in rule.collection_configs]
sdk = {{
    "DebugHookConfig": DebuggerHookConfig(
        "{OUTPUT}", hook_parameters=dict(EVERY_STEP), collection_configs=collections
    )._to_request_dict(),
    "DebugRuleConfigurations": [rule.to_debugger_rule_config_dict() for rule in rules],
    "ProfilerConfig": ProfilerConfig(
        "{OUTPUT}", system_monitor_interval_millis=500
    )._to_request_dict(),
    "ProfilerRuleConfigurations": [report.to_profiler_rule_config_dict()],
}}
print(json.dumps([request_members("{OUTPUT}", "{REGION}"), sdk]))
"""


@pytest.fixture(scope="module")
def members() -> tuple[dict[str, Any], dict[str, Any]]:
    """Ours and the SDK's."""
    if not SDK.exists():
        pytest.skip("the SageMaker SDK's environment is not built (make .venv/sdk/.stamp)")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AWS_DEFAULT_REGION": REGION}
    done = subprocess.run(
        [SDK, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    ours, sdk = json.loads(done.stdout.splitlines()[-1])
    return ours, sdk


def test_request_equals_the_sdks(members: tuple[dict[str, Any], dict[str, Any]]) -> None:
    ours, sdk = members

    assert ours == sdk
    names = [rule["RuleConfigurationName"] for rule in ours["DebugRuleConfigurations"]]
    assert names == ["VanishingGradient", "Overfit", "Overtraining", "PoorWeightInitialization"]


def test_request_fits_botocores_model(members: tuple[dict[str, Any], dict[str, Any]]) -> None:
    client = boto3.client("sagemaker", region_name=REGION)
    shape = client.meta.service_model.operation_model("CreateTrainingJob").input_shape

    for name, member in members[0].items():
        report = ParamValidator().validate(member, shape.members[name])
        assert not report.has_errors(), report.generate_report()
