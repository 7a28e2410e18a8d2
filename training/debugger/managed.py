"""The parts of CreateTrainingJob that attach AWS's own Debugger rules and ProfilerReport.

For accounts that have SageMaker Debugger (closed to new customers since July 2026). Plain dicts,
equal to what `sagemaker.core.debugger` of the SageMaker SDK builds from its `rule_configs`; no
import of the SDK, torch or smdebug.
"""

from collections.abc import Sequence
from typing import Any

RULES = ("VanishingGradient", "Overfit", "Overtraining", "PoorWeightInitialization")
EVALUATOR = "DEFAULT_RULE_EVALUATOR_IMAGE"  # SageMaker puts its own image of the region here
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


def request_parts(output: str, rules: Sequence[str] = RULES) -> dict[str, Any]:
    """DebugHookConfig, DebugRuleConfigurations, ProfilerConfig and ProfilerRuleConfigurations.

    Args:
        output: S3 URI under which SageMaker writes `<job>/debug-output` and so on.
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
        "DebugRuleConfigurations": [rule(name) for name in rules],
        "ProfilerConfig": {
            "S3OutputPath": output,
            "DisableProfiler": False,
            "ProfilingIntervalInMilliseconds": SYSTEM_INTERVAL_MS,
        },
        "ProfilerRuleConfigurations": [rule("ProfilerReport")],
    }


def rule(name: str) -> dict[str, Any]:
    """A built-in rule with its default parameters."""
    return {
        "RuleConfigurationName": name,
        "RuleEvaluatorImage": EVALUATOR,
        "RuleParameters": {"rule_to_invoke": name},
    }
