"""An unmodified SageMaker SDK script against the local cloud."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from local.launch import ROOT
from tests.integration.local.training import Training

SDK_PYTHON = ROOT / ".venv" / "sdk" / "bin" / "python"
_CLIENT = Path(__file__).with_name("sdk_client.py")
_SCRIPT = """
import os, pathlib, sys
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
pathlib.Path(os.environ["SM_MODEL_DIR"], "w").write_text("w")
print("score=" + arguments["--lr"])
"""


def test_sdk_trains_and_tunes(training: Training) -> None:
    if not SDK_PYTHON.exists():
        pytest.skip(f"no environment for the SageMaker SDK: {SDK_PYTHON}")
    request = training.request(_SCRIPT)
    name = request["TrainingJobName"]
    asked = {
        "source": request["HyperParameters"]["sagemaker_submit_directory"],
        "output": training.output,
        "environment": request["Environment"],
        "training_name": name,
        "tuning_name": f"sdk-{name}"[:32],
    }

    ran = subprocess.run(
        [str(SDK_PYTHON), str(_CLIENT), json.dumps(asked)],
        env=training.cloud.environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr[-3000:]
    answer = json.loads(ran.stdout.splitlines()[-1])
    assert answer["status"] == "Completed"
    assert answer["metric"] == 0.5
    assert answer["model"] == f"{training.output}/{name}/output/model.tar.gz"
    assert answer["tuning_status"] == "Completed"
    assert answer["best"].startswith(asked["tuning_name"])
    assert 0.1 <= float(answer["tuned"]["lr"]) <= 0.9
    tags = training.api.list_tags(ResourceArn=training.describe(name)["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "project", "Value": "dogs"}]
