"""python -m training.data: results, messages and exit codes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from rigs.photos import ROOT
from tests.unit.training.data.archive_server import archive, serving
from tests.unit.training.data.photos import jpeg, small_set, write_files
from training.data import download as downloading
from training.data.__main__ import main
from training.data.dataset import DataSet
from training.data.errors import DataError


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


def test_download_says_what_was_checked_and_where_the_record_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = archive({f"dogImages/{name}": content for name, content in small_set().items()})
    digest = hashlib.sha256(content).hexdigest()
    command = ["download", str(tmp_path / "dogs"), "--sha256", digest.upper(), "--url"]
    with serving(content) as site:
        assert main([*command, site.url]) == 0

    assert capsys.readouterr().err == (
        f"{tmp_path}/dogs: {len(content):,} bytes from {site.url}\n"
        f"sha256 {digest} (as expected), kept in {tmp_path}/dogs.download.json\n"
    )


def test_download_is_of_dog_images_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []

    def download(url: str, target: Path, sha256: str | None, _: object) -> None:
        asked.append((url, target, sha256))
        raise DataError("enough")

    monkeypatch.setattr(downloading, "download", download)

    assert main(["download", str(tmp_path / "x")]) == 1
    assert asked == [(downloading.DOG_IMAGES, tmp_path / "x", None)]


def test_error_is_printed_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "[red]no"
    folder.mkdir()

    assert main(["verify", str(folder)]) == 1

    said = capsys.readouterr()
    assert said.err.startswith(f"error: {folder} is not a data set: it holds no folder.\n")
    assert said.out == ""


def test_full_disk_is_an_error_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("training.data.__main__.write_split", full)
    root = write_files(tmp_path / "all", {"a/1.jpg": b"1", "b/1.jpg": b"2"})

    assert main(["split", str(root), str(tmp_path / "x")]) == 1
    assert "No space left on device" in capsys.readouterr().err


@mock_aws
def test_upload_tells_the_first_five_of_what_else_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "300")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="photos")
    root = write_files(tmp_path / "dogs", small_set())
    size = sum(map(len, small_set().values())) / 1e6

    assert main(["upload", str(root), "s3://photos/d"]) == 0
    said = capsys.readouterr().err
    assert said.startswith(f"s3://photos/d/: 32 sent ({size:.1f} MB), 0 unchanged; ")
    assert said.endswith(f" s; hash {DataSet.open(root).hash}\n")
    for number in range(6):
        s3.put_object(Bucket="photos", Key=f"d/{number}", Body=b"")
    assert main(["upload", str(root), "s3://photos/d", "--delete"]) == 0
    assert "6 other objects deleted: d/0, d/1, d/2, d/3, d/4 ...\n" in capsys.readouterr().err
    for number in range(5):
        s3.put_object(Bucket="photos", Key=f"d/{number}", Body=b"")
    assert main(["upload", str(root), "s3://photos/d"]) == 0
    assert "(see --delete): d/0, d/1, d/2, d/3, d/4\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "/no/such/folder"], "/no/such/folder is no folder"),
        (["verify", ".", "--fractions", "0.8,0.2"], "0.8,0.2: expected three numbers, 0.8,0.1,0.1"),
        (["verify", ".", "--fractions", "a,b,c"], "a,b,c: expected three numbers"),
        (["download", "x", "--sha256", "g" * 64], "expected 64 hexadecimal digits"),
        (["download", "x", "--sha256", "a" * 63], "expected 64 hexadecimal digits"),
        (["nothing"], "invalid choice: 'nothing'"),
        ([], "download | verify | split | upload"),
    ],
)
def test_wrong_usage_says_what_is_wrong(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err


def test_help_shows_the_examples_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: python -m training.data")
    assert "\n    python -m training.data split all-photos split-photos --seed 7\n" in said


def test_verify_counts_every_photo_as_progress_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[tuple[str, int]] = []
    steps: list[None] = []

    @contextmanager
    def counter(what: str, total: int, _: object) -> Iterator[object]:
        counted.append((what, total))
        yield lambda: steps.append(None)

    monkeypatch.setattr("training.data.__main__._counted", counter)
    root = write_files(tmp_path / "all", {"a/1.jpg": jpeg(1), "b/1.jpg": jpeg(2)})

    main(["verify", str(root)])
    main(["split", str(root), str(tmp_path / "x")])

    assert counted == [("verify", 2), ("copy", 2)]
    assert len(steps) == 4


def test_package_loads_without_torch() -> None:
    code = "import sys, training.data.__main__; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
