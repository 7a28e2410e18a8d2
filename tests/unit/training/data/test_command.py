"""python -m training.data: results, messages and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from tests.photos import ROOT
from tests.unit.training.data.archive_server import archive, serving
from tests.unit.training.data.photos import jpeg, small_set, write_files
from training.data.__main__ import main
from training.data.dataset import DataSet


def test_verify_of_a_good_set_is_0_and_writes_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_files(tmp_path / "dogs", small_set())
    assert main(["verify", str(root), "--json", str(tmp_path / "report.json")]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["ok"], report["findings"]) == (True, [])
    assert report["hash"] == DataSet.open(root).hash
    assert "fit to train on, 0 errors, 0 warnings" in capsys.readouterr().out


def test_verify_of_warnings_is_0_and_of_errors_1(tmp_path: Path) -> None:
    root = write_files(tmp_path / "dogs", small_set() | {"notes.txt": b""})
    assert main(["verify", str(root)]) == 0
    (root / "test/001.Beagle/00.jpg").write_bytes(b"broken")
    assert main(["verify", str(root), "--json", str(tmp_path / "report.json")]) == 1
    codes = [finding["code"] for finding in json.loads((tmp_path / "report.json").read_text())[
        "findings"]]  # fmt: skip
    assert codes == ["unreadable", "not-a-picture"]


def test_folder_that_is_no_data_set_is_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(tmp_path)]) == 1
    assert "is not a data set: it holds no folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["verify"],
        ["verify", "/no/such/folder"],
        ["verify", ".", "--fractions", "0.8,0.2"],
        ["download", "x", "--sha256", "abc"],
        ["upload", "."],
    ],
)
def test_wrong_usage_is_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def test_split_writes_what_open_would_see(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {f"{name}/{number}.jpg": jpeg(100 * i + number)
             for i, name in enumerate(("cat", "dog")) for number in range(10)}  # fmt: skip
    root = write_files(tmp_path / "all", files)
    target = tmp_path / "split"
    command = ["split", str(root), str(target), "--seed", "9", "--fractions", "0.6,0.2,0.2"]
    assert main(command) == 0
    assert DataSet.open(target).hash == DataSet.open(root, 9, (0.6, 0.2, 0.2)).hash
    assert "12 train, 4 valid, 4 test" in capsys.readouterr().err

    assert main(command) == 1
    assert "exists already" in capsys.readouterr().err
    assert main(["split", str(target), str(tmp_path / "again")]) == 1
    assert "has train, valid and test folders already" in capsys.readouterr().err


def test_download_says_what_was_not_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = archive({f"dogImages/{name}": content for name, content in small_set().items()})
    with serving(content) as site:
        assert main(["download", str(tmp_path / "dogs"), "--url", site.url]) == 0
        assert "not checked: no --sha256 was given" in capsys.readouterr().err
        site.statuses = [404]
        assert main(["download", str(tmp_path / "x"), "--url", site.url]) == 1
        assert "answers 404" in capsys.readouterr().err
    assert main(["verify", str(tmp_path / "dogs")]) == 0


@mock_aws
def test_upload_reports_counts_and_what_else_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    boto3.client("s3").create_bucket(Bucket="photos")
    boto3.client("s3").put_object(Bucket="photos", Key="dogs/old.jpg", Body=b"")
    root = write_files(tmp_path / "dogs", small_set())

    assert main(["upload", str(root), "s3://photos/dogs"]) == 0
    said = capsys.readouterr().err
    assert "s3://photos/dogs/: 32 sent" in said
    assert "1 other objects are not in the data set and stay (see --delete): dogs/old.jpg" in said
    assert main(["upload", str(root), "s3://photos/dogs", "--delete"]) == 0
    assert "0 sent (0.0 MB), 32 unchanged" in capsys.readouterr().err
    assert main(["upload", str(root), "s3://absent/dogs"]) == 1


def test_package_loads_without_torch() -> None:
    code = "import sys, training.data.__main__; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
