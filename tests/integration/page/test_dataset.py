"""`make dataset`: from reviews that people gave through the API to a version of a data set."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.launch import ROOT
from rigs.page import EMAIL, Page
from rigs.rows import make_row
from tests.schemas import check
from tests.unit.training.data.photos import encoded, jpeg, photo, small_set, write_files
from training.data.dataset import DataSet


def _make(page: Page, target: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", target, *arguments],
        cwd=ROOT,
        env=page.cloud.environment(),
        check=False,
        capture_output=True,
        text=True,
    )


def _upload(page: Page, key: str, content: bytes, **row: Any) -> str:
    """A photo with its row, as if it had been answered; the object's version."""
    bucket = page.outputs["BucketName"]
    stored = page.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
    version: str = stored["VersionId"]
    item = make_row(key, at=datetime.now(UTC), **row) | {"version_id": version}
    page.cloud.resource("dynamodb").Table(page.outputs["TableName"]).put_item(Item=item)
    return version


def _review(page: Page, key: str, verdict: str, breed: str | None = None, who: str = EMAIL) -> None:
    person = page.sign_in(who)
    items = person.http.get("predictions", headers=person.headers).json()["items"]
    (item,) = [each for each in items if each["key"] == key]
    said = {"version": item["version"], "verdict": verdict} | ({"breed": breed} if breed else {})
    answer = person.http.put(f"{item['links']['self']}/review", headers=person.headers, json=said)
    assert answer.status_code == 200, answer.text


def _manifest(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "dataset.json").read_text())
    check("dataset", manifest)
    return manifest


def test_reviews_become_a_version_and_the_same_reviews_the_same(page: Page, tmp_path: Path) -> None:
    base = write_files(tmp_path / "base", small_set())
    s3 = page.cloud.client("s3")
    s3.create_bucket(Bucket="versions")
    out = tmp_path / "it's out"
    arguments = (
        f"DATA={base}", f"STACK={page.stack}", f"OUT={out}", "TO=s3://versions/dogs",
        "ARGS=--new-class-at 1",
    )  # fmt: skip

    first = _upload(page, "uploads/ds-right.jpg", jpeg(500), breed="Beagle")
    _upload(page, "uploads/ds-sampled.jpg", jpeg(501), breed="Beagle", sample=True)
    _upload(page, "uploads/ds-unsure.jpg", jpeg(502))
    near = photo(0).resize((60, 50))  # of the base's first photo
    _upload(page, "uploads/ds-near.jpg", encoded(near))
    _upload(page, "uploads/ds-gone.jpg", jpeg(503))
    _review(page, "uploads/ds-right.jpg", "RIGHT")
    _review(page, "uploads/ds-sampled.jpg", "RIGHT")
    _review(page, "uploads/ds-unsure.jpg", "UNSURE")
    _review(page, "uploads/ds-near.jpg", "NEW_BREED", "Beagle")
    _review(page, "uploads/ds-gone.jpg", "NEW_BREED", "Beagle")
    bucket = page.outputs["BucketName"]
    for each in s3.list_object_versions(Bucket=bucket, Prefix="uploads/ds-gone.jpg")["Versions"]:
        s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
    # The review is about the bytes that were there then.
    s3.put_object(Bucket=bucket, Key="uploads/ds-right.jpg", Body=jpeg(999))

    made = _make(page, "dataset", *arguments)
    assert made.returncode == 0, made.stderr
    folder = Path(made.stdout.strip())
    manifest = _manifest(folder)
    ours = {
        each["source"]["key"]: each
        for each in manifest["photos"]
        if each["source"].get("key", "").startswith("uploads/ds-")
    }
    assert sorted(ours) == ["uploads/ds-right.jpg", "uploads/ds-sampled.jpg"]
    right = ours["uploads/ds-right.jpg"]
    assert (right["label"], right["source"]["by"]) == ("Beagle", EMAIL)
    assert right["source"]["version_id"] == first
    assert (folder / right["name"]).read_bytes() == jpeg(500)
    assert ours["uploads/ds-sampled.jpg"]["name"].startswith("audit/Beagle/")
    codes = {each["key"]: each["code"] for each in manifest["left_out"]}
    assert codes["uploads/ds-unsure.jpg"] == "UNSURE"
    assert codes["uploads/ds-near.jpg"] == "NEAR_COPY"
    assert codes["uploads/ds-gone.jpg"] in ("GONE", "DELETED")

    data = DataSet.open(folder)
    assert len(data.audit) == 1
    keys = {each["Key"] for each in s3.list_objects_v2(Bucket="versions")["Contents"]}
    prefix = f"dogs/{manifest['version']}/"
    sent = {key.removeprefix(prefix) for key in keys if key.startswith(prefix)}
    assert sent == {*data.names.values(), "dataset.json"}, "what a training's channel holds"
    assert {key for key in keys if "audit" in key} == {
        f"dogs/audit/{manifest['version']}/{path.relative_to(folder / 'audit')}"
        for path, _ in data.audit
    }

    # Nothing new: nothing is done. Elsewhere, from nothing: the same bytes.
    again = _make(page, "dataset", *arguments)
    assert (again.returncode, again.stdout) == (0, made.stdout)
    assert f"No new review since version {manifest['version']}" in again.stderr
    elsewhere = [*arguments]
    elsewhere[2:4] = [f"OUT={tmp_path / 'elsewhere'}"]
    other = Path(_make(page, "dataset", *elsewhere).stdout.strip())
    assert (other / "dataset.json").read_bytes() == (folder / "dataset.json").read_bytes()
    assert DataSet.open(other).hash == data.hash

    # A colleague disagrees, on another machine that knows the version before from S3 alone.
    page.add_person("zoe@example.com", "reviewers")
    page.set_password("zoe@example.com")
    _review(page, "uploads/ds-sampled.jpg", "NEW_BREED", "golden retriever", "zoe@example.com")
    elsewhere = [*arguments]
    elsewhere[2] = f"OUT={tmp_path / 'third'}"
    third = _make(page, "dataset", *elsewhere)
    assert third.returncode == 0, third.stderr
    assert "photos relabelled: 1" in third.stderr
    assert "conflicts between reviewers, new: 1" in third.stderr
    newer = Path(third.stdout.strip())
    (conflict,) = [each for each in _manifest(newer)["conflicts"] if "ds-" in each["key"]]
    assert conflict["counted"]["by"] == "zoe@example.com"

    told = _make(page, "verify", f"DATA={newer}", f"AGAINST={folder}")
    assert told.returncode == 0, told.stdout
    assert "photos relabelled: 1" in told.stdout


def test_stack_without_a_page_and_base_that_is_none_are_said_in_words(
    page: Page, tmp_path: Path
) -> None:
    base = write_files(tmp_path / "base", small_set())
    out = f"OUT={tmp_path / 'out'}"
    failed = _make(page, "dataset", f"DATA={base}", "STACK=none", out)
    assert "The reviews of none cannot be read" in failed.stderr
    assert "STACK= names the classifier's stack" in failed.stderr
    assert "Traceback" not in failed.stderr
    failed = _make(page, "dataset", f"DATA={tmp_path / 'nothing'}", f"STACK={page.stack}", out)
    assert failed.returncode != 0
    assert "is no folder" in failed.stderr
