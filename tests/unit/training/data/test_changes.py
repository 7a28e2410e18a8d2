"""What changed between two data sets, and what verify says of a made version."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.unit.training.data.photos import jpeg, small_set, write_files
from tests.unit.training.data.words import entry, row
from training.data.__main__ import main
from training.data.candidates import Photo, Reviewed
from training.data.changes import compare, contents, contents_of
from training.data.dataset import DataSet
from training.data.errors import DataError
from training.data.inspection import inspect
from training.data.reviewed import Plan, Rules, make_version
from training.data.reviews import opinions
from training.data.verify import verify
from training.data.versions import look_at_base, write

_KEYS = ("uploads/a.jpg", "uploads/b.jpg")


@pytest.fixture
def base(tmp_path: Path) -> DataSet:
    return DataSet.open(write_files(tmp_path / "base", small_set()))


def _version(base: DataSet, breed: str, sample: bool = False) -> tuple[Plan, Path]:
    """Two reviewed photos; ann says Beagle of the first, bob `breed`; the second is a Beagle."""
    said = [entry(_KEYS[0]), entry(_KEYS[0], "NEW_BREED", breed, "bob", 2), entry(_KEYS[1], at=3)]
    rows = [row(_KEYS[0]), row(_KEYS[1], sample)]
    reviewed = []
    for number, opinion in enumerate(opinions(said, rows)):
        path = base.root.parent / f"{number}.jpg"
        path.write_bytes(jpeg(900 + number))
        seen = inspect(path)
        assert seen.sha256 is not None
        reviewed.append(Reviewed(opinion, Photo(path, seen.sha256, seen.prints)))
    plan = make_version(look_at_base(base, lambda: None), reviewed, None, Rules(1))
    folder = base.root.parent / plan.version
    if not folder.exists():
        write(plan, folder, lambda: None)
    return plan, folder


def test_version_opens_as_a_data_set_whose_audit_is_apart(base: DataSet) -> None:
    plan, folder = _version(base, "Beagle", sample=True)
    data = DataSet.open(folder)
    assert data.labels == ("Beagle", "Golden retriever")
    assert [(path.parent.name, index) for path, index in data.audit] == [("Beagle", 0)]
    assert data.others == ()
    assert not any("audit" in name for name in data.names.values())
    assert len(data.names) == len(plan.files) - 1
    shutil.rmtree(folder / "audit")
    assert DataSet.open(folder).hash == data.hash


def test_audit_of_a_class_that_train_lacks_is_refused(base: DataSet) -> None:
    write_files(base.root, {"audit/003.Pug/0.jpg": jpeg(1)})
    with pytest.raises(DataError, match=r"audit: 003\.Pug is no class of train"):
        DataSet.open(base.root)


def test_changes_are_of_classes_counts_photos_and_conflicts(base: DataSet) -> None:
    before, _ = _version(base, "Beagle")
    after, _ = _version(base, "Golden retriever", sample=True)
    changes = compare(contents_of(before.manifest), contents_of(after.manifest))
    (relabelled,) = changes.relabelled
    assert relabelled.endswith(": Beagle -> Golden retriever")
    assert changes.conflicts_added == (
        "uploads/a.jpg: Golden retriever (by bob@example.com, 2026-11-26) counts; "
        "Beagle (by ann@example.com, 2026-11-26)",
    )
    (moved,) = changes.moved  # made without the version before
    assert moved.endswith(" -> audit")
    grown, _ = _version(base, "Akita")
    changes = compare(contents(base), contents_of(grown.manifest))
    assert changes.classes_added in ((), ("Akita",))  # none where its photo falls to valid or test
    assert len(changes.added) == len(grown.files) - 32
    back = compare(contents_of(grown.manifest), contents(base))
    assert (back.removed, back.classes_removed) == (changes.added, changes.classes_added)
    assert not compare(contents(base), contents(base))


def test_verify_against_another_version_prints_and_fails_on_what_moved(
    base: DataSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, first = _version(base, "Beagle")
    _, second = _version(base, "Golden retriever")
    report = tmp_path / "report.json"
    command = ["verify", str(second), "--against", str(first), "--json", str(report)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "photos relabelled: 1" in said
    assert "conflicts between reviewers, new: 1" in said
    assert len(json.loads(report.read_text())["changes"]["relabelled"]) == 1

    _, sampled = _version(base, "Beagle", sample=True)
    assert main(["verify", str(sampled), "--against", str(first), "--json", str(report)]) == 1
    assert "photos in another split: 1" in capsys.readouterr().out
    assert json.loads(report.read_text())["ok"] is False
    assert main(["verify", str(first), "--against", str(first)]) == 0
    assert "nothing changed" in capsys.readouterr().out


def test_verify_holds_a_version_to_its_manifest_and_looks_into_audit(base: DataSet) -> None:
    _, folder = _version(base, "Beagle", sample=True)
    assert verify(DataSet.open(folder), lambda: None).ok
    (audit,) = (folder / "audit").rglob("*.jpg")
    train = folder / "train" / "Beagle"
    shutil.copy(audit, train / "leaked.jpg")
    (train / "00.jpg").unlink()
    (train / "01.jpg").unlink()
    (train / "01.jpg").write_bytes(jpeg(777))
    found = {each.code: each.items for each in verify(DataSet.open(folder), lambda: None).findings}
    assert found["manifest"] == (
        "train/Beagle/00.jpg: is not there",
        "train/Beagle/leaked.jpg: was added by hand",
        "train/Beagle/01.jpg: its bytes were changed",
    )
    assert "audit/Beagle/" in found["leak"][0]
