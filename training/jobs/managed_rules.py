"""The parts of CreateTrainingJob that attach AWS's own Debugger rules and ProfilerReport.

For accounts that have SageMaker Debugger (closed to new customers since July 2026). Plain dicts,
equal to what the SageMaker SDK builds from its `rule_configs`. The SDK itself is needed only for
the address of AWS's rule image, which differs by region.
"""

from collections.abc import Sequence
from typing import Any

RULES = ("VanishingGradient", "Overfit", "Overtraining", "PoorWeightInitialization")
EVERY_STEP = {
    "train.save_interval": "1",
    "eval.save_interval": "1",
    "predict.save_interval": "1",
}
# A collection's own interval beats the hook's, and the SDK's rule_configs bring 500: gradients
# would be saved at step 0 only. ReLU inputs are whole activations (1.23 GB a step of ResNet50 at
# batch 32), and PoorWeightInitialization looks at the first 10 steps.
COLLECTIONS = {
    "gradients": {"save_interval": "1"},
    "relu_input": {
        "include_regex": ".*relu_input",
        "train.save_interval": "1",
        "train.end_step": "10",
        "eval.end_step": "0",
        "predict.end_step": "0",
    },
}
SYSTEM_INTERVAL_MS = 500  # SageMaker's default; 100, 200, 500, 1000, 5000 or 60000


def request_members(output: str, region: str, rules: Sequence[str] = RULES) -> dict[str, Any]:
    """DebugHookConfig, DebugRuleConfigurations, ProfilerConfig and ProfilerRuleConfigurations.

    Args:
        output: S3 URI under which SageMaker writes `<job>/debug-output` and so on.
        region: Where the job runs, such as us-east-1.
        rules: Built-in rules that need no parameters.
    """
    return {
        "DebugHookConfig": {
            "S3OutputPath": output,
            "HookParameters": dict(EVERY_STEP),
            "CollectionConfigurations": [
                {"CollectionName": name, "CollectionParameters": dict(parameters)}
                for name, parameters in COLLECTIONS.items()
            ],
        },
        "DebugRuleConfigurations": [rule(name, region) for name in rules],
        "ProfilerConfig": {
            "S3OutputPath": output,
            "DisableProfiler": False,
            "ProfilingIntervalInMilliseconds": SYSTEM_INTERVAL_MS,
        },
        "ProfilerRuleConfigurations": [rule("ProfilerReport", region)],
    }


def rule(name: str, region: str) -> dict[str, Any]:
    """A built-in rule with its default parameters."""
    from sagemaker.core.debugger import get_rule_container_image_uri  # slow to import

    return {
        "RuleConfigurationName": name,
        "RuleEvaluatorImage": get_rule_container_image_uri(name, region),
        "RuleParameters": {"rule_to_invoke": name},
    }
