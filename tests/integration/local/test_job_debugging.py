"""What a debugged, profiled job leaves: rule statuses while it runs and after, its tensors,
profiler and rule output in S3.
"""

from __future__ import annotations

import json
from typing import Any

from tests.integration.local.training import Training, unpacked
from tests.waiting import wait_until

_SCRIPT = """
import json, os, pathlib, signal, sys, time
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
config = json.loads((base / "input/config/debughookconfig.json").read_text())
print("facts=" + json.dumps(config))
rules = base / "output/rules"
rules.mkdir()
def status(name, words):
    (rules / (name + ".json")).write_text(json.dumps({
        "RuleConfigurationName": name, "RuleEvaluationStatus": words,
        "StatusDetails": "step 3", "LastModifiedTime": time.time(), "more": {"steps": [3]},
    }))
def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
def finish(*_):
    status("Overfit", "NoIssuesFound")
    sys.exit(0)
signal.signal(signal.SIGTERM, finish)
write(pathlib.Path(config["LocalPath"]) / "events/0/a.tfevents", "tensors")
write(base / "output/profiler/system/incremental/2026010101/1.algo-1.json", "{}")
report = pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "profiler-report")
write(report / "profiler-report.html", "<html>")
status("VanishingGradient", "IssuesFound")
status("Overfit", "InProgress")
print("up")
while True:
    time.sleep(0.05)
"""


def _statuses(job: dict[str, Any]) -> dict[str, str]:
    return {
        status["RuleConfigurationName"]: status["RuleEvaluationStatus"]
        for status in job.get("DebugRuleEvaluationStatuses", [])
    }


def test_rules_show_while_the_job_runs_and_their_output_is_in_s3(training: Training) -> None:
    name = training.start(
        _SCRIPT,
        DebugHookConfig={
            "S3OutputPath": training.output,
            "HookParameters": {"train.save_interval": "1"},
        },
        DebugRuleConfigurations=[
            {"RuleConfigurationName": "Overfit", "RuleEvaluatorImage": "any"},
            {"RuleConfigurationName": "DeadRelu", "RuleEvaluatorImage": "any"},
        ],
    )
    training.spoken(name, "up")

    wait_until(lambda: _statuses(training.describe(name)).get("Overfit") == "InProgress")
    assert _statuses(training.describe(name)) == {
        "Overfit": "InProgress",
        "DeadRelu": "InProgress",
        "VanishingGradient": "IssuesFound",
    }
    training.api.stop_training_job(TrainingJobName=name)
    job = training.ended(name)

    assert _statuses(job) == {
        "Overfit": "NoIssuesFound",
        "DeadRelu": "Error",
        "VanishingGradient": "IssuesFound",
    }
    details = {
        s["RuleConfigurationName"]: s["StatusDetails"] for s in job["DebugRuleEvaluationStatuses"]
    }
    assert details["VanishingGradient"] == "step 3"
    assert "does not run AWS's rule images" in details["DeadRelu"]
    assert job["ProfilingStatus"] == "Enabled"
    hook = training.said(name)
    assert hook["HookParameters"] == {"train.save_interval": "1"}
    assert hook["LocalPath"].endswith("/ml/output/tensors")
    assert training.keys(f"out/{name}/") == [
        f"out/{name}/debug-output/events/0/a.tfevents",
        f"out/{name}/output/output.tar.gz",
        f"out/{name}/profiler-output/system/incremental/2026010101/1.algo-1.json",
        f"out/{name}/rule-output/Overfit/Overfit.json",
        f"out/{name}/rule-output/ProfilerReport/profiler-output/profiler-report.html",
        f"out/{name}/rule-output/VanishingGradient/VanishingGradient.json",
    ]
    kept = json.loads(training.get(f"out/{name}/rule-output/Overfit/Overfit.json"))
    assert kept["more"] == {"steps": [3]}
    output = unpacked(training.get(f"out/{name}/output/output.tar.gz"))
    assert output == {"profiler-report/profiler-report.html": b"<html>"}
