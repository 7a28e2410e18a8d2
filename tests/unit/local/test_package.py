"""Model archives: what is unpacked and what is refused."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from pathlib import Path
from typing import Any

import pytest

from local.errors import AwsError
from local.sagemaker import package
from local.sagemaker.package import ModelDataError, model_data_url, split_s3_url, unpack


def _archive(path: Path, *members: tuple[str, bytes | str]) -> Path:
    """A .tar.gz of files (bytes) and symbolic links (str)."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


def test_archive_is_unpacked_with_its_folders(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "a.tar.gz", ("manifest.json", b"{}"), ("code/serving/x.py", b""))

    unpack(archive, tmp_path / "model")

    assert (tmp_path / "model" / "manifest.json").read_bytes() == b"{}"
    assert (tmp_path / "model" / "code" / "serving" / "x.py").exists()


@pytest.mark.parametrize(
    "member",
    [
        ("../outside", b"x"),
        ("a/../../outside", b"x"),
        ("link", "/etc/passwd"),
        ("link", "../../outside"),
    ],
)
def test_name_or_link_that_leads_outside_is_refused(
    tmp_path: Path, member: tuple[str, bytes | str]
) -> None:
    archive = _archive(tmp_path / "a.tar.gz", ("good", b"x"), member)

    with pytest.raises(ModelDataError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "deep" / "model")

    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tar.gz", "deep"]


def test_absolute_name_stays_inside(tmp_path: Path) -> None:
    unpack(_archive(tmp_path / "a.tar.gz", ("/absolute", b"x")), tmp_path / "model")

    assert (tmp_path / "model" / "absolute").exists()


@pytest.mark.parametrize(("limit", "value"), [("MAX_UNPACKED_BYTES", 1000), ("MAX_FILES", 2)])
def test_archive_over_a_limit_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(package, limit, value)
    archive = _archive(tmp_path / "a.tar.gz", *((f"f{i}", b"\0" * 400) for i in range(3)))

    with pytest.raises(ModelDataError, match="holds more than"):
        unpack(archive, tmp_path / "model")

    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b" + b"\0" * 100])
def test_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(content)

    with pytest.raises(ModelDataError, match=r"is it a \.tar\.gz"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "model")


def test_cut_off_archive_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "a.tar.gz", ("big", bytes(range(256)) * 4000))
    archive.write_bytes(archive.read_bytes()[:-2000])

    with pytest.raises(ModelDataError):
        unpack(archive, tmp_path / "model")

    assert not (tmp_path / "model").exists()


def test_archive_with_one_damaged_byte_is_refused_wherever_it_is(tmp_path: Path) -> None:
    weights = random.Random(7).randbytes(4000)
    files = (("manifest.json", b"{}"), ("weights", weights), ("code/x.py", b"x = 1\n" * 100))
    whole = _archive(tmp_path / "a.tar.gz", *files).read_bytes()
    header = whole.index(b"a.tar\0") + 6  # gzip's own: time, system and name may be anything
    accepted = []
    for at in range(header, len(whole), 13):
        damaged = tmp_path / "damaged.tar.gz"
        damaged.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            unpack(damaged, tmp_path / f"model{at}")
        except ModelDataError:
            continue
        accepted.append(at)

    assert accepted == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "damaged.tar.gz"]


def test_archive_whose_second_header_is_damaged_is_not_taken_for_a_shorter_one(
    tmp_path: Path,
) -> None:
    plain = gzip.decompress(
        _archive(tmp_path / "a.tar.gz", ("one", b"1"), ("two", b"2"), ("three", b"3")).read_bytes()
    )
    second = 2 * 512  # a header and a block of content
    (tmp_path / "b.tar.gz").write_bytes(
        gzip.compress(plain[:second] + b"\xff" + plain[second + 1 :])
    )

    with pytest.raises(ModelDataError, match="it is damaged: after its last file"):
        unpack(tmp_path / "b.tar.gz", tmp_path / "model")


def test_number_in_a_header_that_nothing_can_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT) as tar:
        member = tarfile.TarInfo("weights")
        member.mtime = 2**80
        tar.addfile(member)

    with pytest.raises(ModelDataError, match="cannot be unpacked"):
        unpack(path, tmp_path / "model")


@pytest.mark.parametrize(
    "key", ["a#1.tar.gz", "what?.tar.gz", "[::1", "/leads", "a//b", "t\ta\nb", "ü %2F+", "a;b=c"]
)
def test_key_is_taken_to_the_letter(key: str) -> None:
    assert split_s3_url(f"s3://bucket/{key}") == ("bucket", key)


@pytest.mark.parametrize("url", ["", "s3://bucket", "s3://bucket/", "https://bucket/key", "key"])
def test_url_that_is_no_object_is_refused(url: str) -> None:
    with pytest.raises(ModelDataError, match="s3://bucket/key"):
        split_s3_url(url)


def test_key_keeps_its_slashes() -> None:
    assert split_s3_url("s3://bucket/a/b c/model.tar.gz") == ("bucket", "a/b c/model.tar.gz")


def _source(**source: str) -> dict[str, Any]:
    return {"ModelDataSource": {"S3DataSource": {"S3Uri": "s3://b/k", **source}}}


@pytest.mark.parametrize(
    ("container", "url"),
    [
        ({"ModelDataUrl": "s3://b/k"}, "s3://b/k"),
        (_source(S3DataType="S3Object", CompressionType="Gzip"), "s3://b/k"),
        ({}, None),
    ],
)
def test_model_data_is_found_in_either_spelling(container: dict[str, Any], url: str | None) -> None:
    assert model_data_url({"PrimaryContainer": container}) == url
    assert model_data_url({"Containers": [container]}) == url


@pytest.mark.parametrize(
    "model",
    [
        {"PrimaryContainer": _source(S3DataType="S3Prefix", CompressionType="None")},
        {"Containers": [{}, {}]},
    ],
)
def test_model_that_is_not_one_archive_is_refused(model: dict[str, Any]) -> None:
    with pytest.raises(AwsError, match="The local cloud"):
        model_data_url(model)
