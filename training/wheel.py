"""Rebuild the wheel of an installed pure-Python package, so that it can travel inside model.tar.gz.

AWS's Ray image has no timm and an endpoint needs no internet, so the package brings timm along.
Repacking what is installed needs no network either and gives the very code that was tested here.
Format: the "Binary distribution format" page of the PyPA specifications.
"""

import base64
import csv
import hashlib
import io
import zipfile
from importlib.metadata import Distribution, distribution

# Written by the installer, not by the wheel.
_INSTALLER_FILES = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json"}


def rebuild_wheel(name: str) -> tuple[str, bytes]:
    """Name of an installed pure-Python distribution -> (wheel file name, its bytes).

    The same installation gives the same bytes. Raises ValueError for a package with compiled code.
    """
    installed = distribution(name)
    tag = (installed.read_text("WHEEL") or "").rpartition("Tag: ")[2].strip()
    if tag != "py3-none-any":
        raise ValueError(f"{name} is built for {tag!r}, not py3-none-any: it cannot travel")
    files = _wheel_files(installed)
    info = f"{installed.name}-{installed.version}.dist-info"
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path in files:  # RECORD comes last, as the specification recommends
            entry = zipfile.ZipInfo(path)  # its date is fixed: 1980-01-01
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, files[path])
    return f"{installed.name}-{installed.version}-{tag}.whl", buffer.getvalue()


def _wheel_files(installed: Distribution) -> dict[str, bytes]:
    files = {}
    for path in sorted(installed.files or [], key=str):
        outside = path.parts[0] == ".."  # scripts, which the installer makes anew
        if outside or path.suffix == ".pyc" or path.name in _INSTALLER_FILES:
            continue
        files[path.as_posix()] = path.read_binary()
    return files


def _record(files: dict[str, bytes], record: str) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.writerow([path, f"sha256={digest}", len(content)])
    rows.writerow([record, "", ""])
    return text.getvalue().encode()
