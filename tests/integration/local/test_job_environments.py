"""A job's requirements.txt: nothing to install, installed once, or not to be had. No network: the
wheel is made here.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from tests.integration.local.training import Training

_SCRIPT = """
import json, os, sys
import tiny_dog
facts = {"python": sys.executable, "tiny": tiny_dog.NAME, "files": sorted(os.listdir("."))}
print("facts=" + json.dumps(facts))
"""


def _wheel() -> bytes:
    """tiny-dog 1.0, as pip wants it."""
    info = "tiny_dog-1.0.dist-info"
    files = {
        "tiny_dog.py": "NAME = 'rex'\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny-dog\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    return out.getvalue()


def test_requirements_that_are_there_install_nothing(training: Training) -> None:
    source = training.source(
        "import json, os, sys\n"
        "print('facts=' + json.dumps({'python': sys.executable, 'files': os.listdir('.')}))\n",
        **{"requirements.txt": "# the script's own\nboto3>=1\nsix ; python_version < '3'\n"},
    )
    job = training.run("", source=source)
    facts = training.said(job["TrainingJobName"])

    assert job["TrainingJobStatus"] == "Completed"
    assert facts["python"].endswith(".venv/job/bin/python")
    assert "requirements.txt" not in facts["files"]
    assert not any("pip install" in line for line in training.lines(job["TrainingJobName"]))


def test_requirements_that_are_missing_are_installed_once(training: Training) -> None:
    files: dict[str, str | bytes] = {
        "requirements.txt": "--no-index\n--find-links wheels\ntiny-dog==1.0\nboto3\n",
        "wheels/tiny_dog-1.0-py3-none-any.whl": _wheel(),
    }
    source = training.source(_SCRIPT, **files)
    first, second = (training.run("", source=source) for _ in range(2))
    facts = [training.said(job["TrainingJobName"]) for job in (first, second)]

    assert [job["TrainingJobStatus"] for job in (first, second)] == ["Completed"] * 2
    assert facts[0]["tiny"] == "rex"
    assert facts[0]["python"] == facts[1]["python"]
    assert Path(facts[0]["python"]).is_relative_to(training.cloud.state_dir)
    installed = [
        any(line.startswith("Successfully installed tiny-dog") for line in training.lines(name))
        for name in (first["TrainingJobName"], second["TrainingJobName"])
    ]
    assert installed == [True, False]


def test_requirements_that_cannot_be_had_fail_the_job_with_pips_words(training: Training) -> None:
    source = training.source(
        "", **{"requirements.txt": "--no-index\nno-such-dog==1.0\n", "train.sh": ""}
    )
    job = training.run("", source=source)

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: InstallRequirementsError: ERROR: ")
    assert "no-such-dog==1.0" in job["FailureReason"]
