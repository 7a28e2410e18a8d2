"""The zip holds all it needs: the function runs on its own package and the runtime's boto3 alone.

The emulator's environment lends its boto3 chain as the Lambda runtime's; nothing else
of any environment is in reach; the test names every module that comes from anywhere else.
"""

import base64
import json
import os
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rigs import heic
from tests.odd_files.building import saved

ROOT = Path(__file__).resolve().parents[3]
FUNCTION = ROOT / "functions" / "classify"
TOOLS = ROOT / ".venv" / "tools" / "bin"
RUNTIME_PYTHON = ROOT / ".venv" / "emulator" / "bin" / "python"
# What AWS's runtimes bring: boto3 and its dependencies. jmespath is in the package too.
RUNTIME_MODULES = {"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3"}

PROGRAM = """
import sys
before = set(sys.modules)
package, runtime, *photos = sys.argv[1:]
sys.path[:0] = [package, runtime]

import base64, io, json
from classify import clients, handler


class Aws:
    rows = []

    def get_object(self, Key, **_):
        data = base64.b64decode(photos[keys.index(Key)])
        return {"ContentLength": len(data), "Body": io.BytesIO(data)}

    def batch_get_item(self, **_):
        return {"Responses": {}}

    def put_item(self, Item, **_):
        self.rows.append(Item["status"]["S"])

    def invoke_endpoint(self, Body, **_):
        one = {"label": "Pug", "confidence": 0.9, "top": [{"label": "Pug", "probability": 0.9}]}
        count = len(json.loads(Body)["instances"])
        answer = {"model": {"version": "1"}, "predictions": [one] * count}
        return {"Body": io.BytesIO(json.dumps(answer).encode())}


class Context:
    function_name = invoked_function_arn = aws_request_id = memory_limit_in_mb = "x"

    def get_remaining_time_in_millis(self):
        return 60000


aws = Aws()
handler.PORTS = clients.wire(handler.SETTINGS, aws, aws, aws, lambda: aws)


def message(key):
    s3 = {"bucket": {"name": "b"}, "object": {"key": key, "sequencer": "1", "size": 1}}
    body = {"Records": [{"eventName": "ObjectCreated:Put", "s3": s3}]}
    return {"messageId": key, "body": json.dumps(body)}


keys = ["a.jpg", "b.heic", "c.png"]
result = handler.handle({"Records": [message(key) for key in keys]}, Context())
files = {
    name: getattr(sys.modules[name], "__file__", None) or ""
    for name in set(sys.modules) - before
    if name not in ("__main__", "__mp_main__")
}
print(json.dumps({"result": result, "rows": aws.rows, "files": files}))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make build` makes of the function: its pinned requirements, its code, the reader's."""
    if not TOOLS.exists():
        pytest.skip("the tools' environment is not there: `make setup`")
    folder = tmp_path_factory.mktemp("build")
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    done = subprocess.run(
        [
            *(str(TOOLS / "sam"), "build", "ClassifyFunction", "--no-cached"),
            *("--build-dir", str(folder)),
            *("--parameter-overrides", f"FunctionRuntime={runtime}"),
        ],
        env={**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
             "PIP_NO_DEPS": "1", "SAM_CLI_TELEMETRY": "0"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "ClassifyFunction"


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """boto3 and its dependencies, and nothing else, as links."""
    if not RUNTIME_PYTHON.exists():
        pytest.skip("the emulator's environment is not there: `make setup`")
    folder = tmp_path_factory.mktemp("runtime")
    program = "import sysconfig; print(sysconfig.get_path('purelib'))"
    done = subprocess.run(
        [str(RUNTIME_PYTHON), "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    for name in RUNTIME_MODULES:
        for path in (Path(done.stdout.strip()) / name, Path(done.stdout.strip()) / f"{name}.py"):
            if path.exists():
                (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def run(package: Path, runtime: Path) -> dict[str, Any]:
    jpeg = saved(Image.new("RGB", (600, 400), "orange"), "JPEG")
    # Large enough for the reader's own process, which must find its modules in the zip as well.
    png = saved(Image.new("RGB", (3000, 2000), "orange"), "PNG")
    photos = [base64.b64encode(data).decode() for data in (jpeg, heic.UPRIGHT, png)]
    done = subprocess.run(
        [str(RUNTIME_PYTHON), "-I", "-S", "-c", PROGRAM, str(package), str(runtime), *photos],
        # As in Lambda: the tracer is on, the request is sampled; and no X-Ray daemon listens.
        env={
            "PATH": os.defpath,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "LAMBDA_TASK_ROOT": str(package),
            "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;"
            "Parent=53995c3f42cd8ad8;Sampled=1",
            "PREDICTIONS_TABLE": "predictions",
            "ENDPOINT_NAME": "breeds",
            "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/uploads",
            "BACKFILL_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/backfill",
            "UPLOAD_BUCKET": "photos",
            "POWERTOOLS_SERVICE_NAME": "classify",
            "POWERTOOLS_METRICS_NAMESPACE": "breed-classifier",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def test_function_works_on_its_package_and_the_runtimes_boto3_alone(run: dict[str, Any]) -> None:
    assert run["result"] == {"batchItemFailures": []}
    assert sorted(run["rows"]) == ["CLASSIFIED"] * 3


def test_every_module_is_of_the_package_the_standard_library_or_boto3(
    run: dict[str, Any], package: Path
) -> None:
    strangers = {
        name: file
        for name, file in run["files"].items()
        if not (
            name.partition(".")[0] in sys.stdlib_module_names
            or name.partition(".")[0] in RUNTIME_MODULES
            or (file and Path(file).is_relative_to(package))
        )
    }
    # Namespace packages and modules made in memory have no file: they must be known by name.
    assert strangers == {}
    # Not pi_heif: HEIC is read in the reader's own process, which searches where this one does.
    assert "photo_reader" in run["files"]
    assert "aws_xray_sdk.core" in run["files"]


def test_package_holds_no_boto3_and_stays_far_below_lambdas_limit(package: Path) -> None:
    names = {path.name for path in package.iterdir()}
    assert not names & (RUNTIME_MODULES - {"jmespath"})
    # Files of its own, not links to folders that Lambda does not have.
    assert not [path for path in package.rglob("*") if path.is_symlink()]
    assert (package / "photo_reader" / "__init__.py").is_file()
    assert not names & {"serving", "training", "numpy"}
    size_bytes = sum(path.stat().st_size for path in package.rglob("*") if path.is_file())
    assert size_bytes < 100_000_000  # unzipped; the limit is 250 MB


def test_requirements_are_complete_and_exact(package: Path) -> None:
    lines = (FUNCTION / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert all("==" in line for line in lines if line and not line.startswith("#"))
    # Every dependency that a package in the zip names is in the zip, or comes with the runtime.
    here = {dist.name.lower().replace("_", "-") for dist in distributions(path=[str(package)])}
    named = {
        re.split(r"[^\w-]", need, maxsplit=1)[0].lower().replace("_", "-")
        for dist in distributions(path=[str(package)])
        for need in dist.requires or []
        if "extra ==" not in need
    }
    assert named - here <= RUNTIME_MODULES
