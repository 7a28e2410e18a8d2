"""train.py under SageMaker's in-container toolkit, laid out as in a training container."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.sagemaker.jobs import torchrun
from serving.model import load
from tests.job.training_runs import ROOT


def lay_out(base: Path, shapes: Path, hyperparameters: dict[str, str]) -> None:
    """The folders and files that SageMaker makes before it starts a container."""
    code = base.parent / "source"
    for room in ("photo_reader", "serving", "training"):
        shutil.copytree(ROOT / room, code / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(shapes, base / "input" / "data" / "data")
    config = base / "input" / "config"
    for folder in (config, base / "model", base / "output" / "data"):
        folder.mkdir(parents=True)
    program = {"sagemaker_program": "training/train.py", "sagemaker_submit_directory": str(code)}
    hosts = {"current_host": "localhost", "hosts": ["localhost"], "network_interface_name": "lo"}
    channels = {"data": {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"}}
    for name, content in {
        "hyperparameters": {k: json.dumps(v) for k, v in {**hyperparameters, **program}.items()},
        "resourceconfig": hosts,
        "inputdataconfig": channels,
    }.items():
        (config / f"{name}.json").write_text(json.dumps(content))


def run_toolkit(base: Path) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SM_", "SAGEMAKER_"))}
    environ |= {
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_TRAINING_MODULE": "sagemaker_pytorch_container.training:main",
        "SAGEMAKER_REGION": "eu-central-1",
        "TRAINING_JOB_NAME": "shapes-1",
    }
    train = Path(sys.executable).with_name("train")
    return subprocess.run([str(train)], env=environ, text=True, capture_output=True, timeout=300)


def test_job_under_the_toolkit_leaves_its_model_and_metrics(shapes: Path, tmp_path: Path) -> None:
    base = tmp_path / "ml"
    arguments = {"backbone": "efficientnet_lite0", "epochs": "2", "batch-size": "32", "lr": "0.02"}
    lay_out(base, shapes, arguments)
    done = run_toolkit(base)
    assert done.returncode == 0, done.stdout + done.stderr
    origin = load(base / "model").manifest.origin
    assert origin["training_job"] == "shapes-1"
    assert origin["hyperparameters"]["lr"] == 0.02
    assert (base / "output" / "data" / "metrics.json").is_file()
    assert "test:accuracy=" in done.stdout
    assert not (base / "output" / "failure").exists()


@pytest.mark.parametrize(
    ("hyperparameters", "reason"),
    [
        ({"lr": "-1"}, "argument --lr: -1 is not above 0 and at most 10"),
        ({"weights": "/no/such/file.pth"}, "weights /no/such/file.pth: cannot be read"),
    ],
)
def test_failure_under_the_toolkit_has_its_reason_in_the_failure_file(
    hyperparameters: dict[str, str], reason: str, shapes: Path, tmp_path: Path
) -> None:
    lay_out(tmp_path / "ml", shapes, hyperparameters)
    assert run_toolkit(tmp_path / "ml").returncode != 0
    assert reason in (tmp_path / "ml" / "output" / "failure").read_text()
    assert not (tmp_path / "ml" / "output" / "success").exists()


def test_several_hosts_are_started_by_the_toolkits_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))  # its modules set it where it is not
    from sagemaker_pytorch_container import training as toolkit
    from sagemaker_training import environment
    from sagemaker_training.torch_distributed import TorchDistributedRunner

    asked = (ROOT / "training" / "jobs" / "definition.py").read_text(encoding="utf-8")
    assert f'"{toolkit.LAUNCH_TORCH_DISTRIBUTED_ENV_NAME}": "true"' in asked
    monkeypatch.setattr(environment, "code_dir", str(tmp_path))
    hosts = ["127.0.0.1", "127.0.0.2"]
    runner = TorchDistributedRunner(
        "train.py", ["--lr", "0.1"], {}, 1, hosts[0], hosts, hosts[1], "lo"
    )
    torchrun.install(tmp_path / "bin", Path("/bin/echo"), 1234)
    program, *words = runner._create_command()
    said = subprocess.run([str(tmp_path / "bin" / program), *words], text=True, capture_output=True)

    where = "--master_addr 127.0.0.1 --master_port 1234 --node_rank 1"
    assert said.stdout == (
        f"-m torch.distributed.run --nnodes 2 --nproc_per_node 1 {where} train.py --lr 0.1\n"
    )
