"""Packages and outputs of jobs, however they were packed."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from training.jobs.artefacts import read_manifest
from training.jobs.errors import CommandError

MANIFEST = b'{"version": "0123456789ab"}'


def packed(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["manifest.json", "./manifest.json", ".//manifest.json"])
def test_manifest_is_found_by_its_path(name: str, tmp_path: Path) -> None:
    package = packed(tmp_path / "m.tar.gz", {"./model.safetensors": b"w", name: MANIFEST})
    assert read_manifest(package)["version"] == "0123456789ab"


def test_package_one_folder_too_deep_says_how_to_pack_it(tmp_path: Path) -> None:
    package = packed(tmp_path / "m.tar.gz", {"model/manifest.json": MANIFEST})
    with pytest.raises(CommandError, match=r"only model/manifest.json is its.*-C FOLDER \."):
        read_manifest(package)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"a": b"x"}, "none of its files is its manifest.json"),
        ({"manifest.json": b"{"}, "no model package"),
        ({"manifest.json": b"[]"}, "has no version"),
    ],
)
def test_what_is_no_package_is_told(members: dict[str, bytes], reason: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=reason):
        read_manifest(packed(tmp_path / "m.tar.gz", members))


@pytest.mark.parametrize("at", range(12, 200, 7))
def test_package_with_a_damaged_byte_is_read_or_refused_in_words(at: int, tmp_path: Path) -> None:
    whole = packed(tmp_path / "m.tar.gz", {"w": bytes(range(256)) * 9, "manifest.json": MANIFEST})
    content = bytearray(whole.read_bytes())
    content[at % len(content)] ^= 0xFF
    whole.write_bytes(content)
    try:
        assert read_manifest(whole)["version"]
    except CommandError as error:
        assert "no model package" in str(error) or "version" in str(error)  # noqa: PT017
