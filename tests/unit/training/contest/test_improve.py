"""When a challenger is trained, with which commands, and when nothing is done."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training.contest.models import model
from tests.unit.training.shapes import draw_data_set
from training.contest import improve as module
from training.contest.improve import STATE, Champion, main, nothing_to_do
from training.contest.verdict import Contest, judge
from training.data.dataset import DataSet
from training.errors import JobError

PHOTOS = 48  # of the drawn data set


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return DataSet.open(draw_data_set(tmp_path / "data"))


def champion(photos: int = 0, data_sha256: str | None = None) -> Champion:
    return Champion(Path("champion"), "abc", data_sha256, photos)


def test_champion_of_these_very_photos_stays(data: DataSet, tmp_path: Path) -> None:
    reason = nothing_to_do(champion(PHOTOS, data.hash), data, 0, tmp_path)
    assert reason == "The champion abc was trained on these very photos."


@pytest.mark.parametrize(("known", "enough"), [(PHOTOS - 19, False), (PHOTOS - 20, True)])
def test_too_few_new_photos_are_told(
    data: DataSet, tmp_path: Path, known: int, enough: bool
) -> None:
    reason = nothing_to_do(champion(known, "other"), data, 20, tmp_path)
    assert (reason is None) is enough
    assert enough or str(reason).startswith("19 photos are new to the champion abc")


def test_same_photos_are_not_tried_twice_against_one_champion(
    data: DataSet, tmp_path: Path
) -> None:
    tried = {"data_sha256": data.hash, "champion": "abc", "reason": "Worse overall."}
    (tmp_path / STATE).write_text(json.dumps(tried))
    assert "refused: Worse overall." in str(nothing_to_do(champion(), data, 1, tmp_path))
    (tmp_path / STATE).write_text(json.dumps(tried | {"champion": "other"}))
    assert nothing_to_do(champion(), data, 1, tmp_path) is None


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The commands that would be run, each by its own words."""
    ran: list[list[str]] = []

    def step(title: str, command: Any, *, keep: bool = False) -> str:
        ran.append([title, *command])
        return ""

    monkeypatch.setattr(module, "_step", step)
    monkeypatch.setattr(module, "read_champion", lambda package: champion())
    return ran


def compared(monkeypatch: pytest.MonkeyPatch, contest: Contest) -> None:
    monkeypatch.setattr(module, "run", lambda *given: contest)


def contest(data: DataSet, wrong: bool) -> Contest:
    from training.contest.answers import photos_of

    shown, _ = photos_of(data)
    names = {photo.name for photo in shown} if wrong else set()
    old = model(shown, labels=data.labels)
    return judge(old, model(shown, names, data.labels, sha256="b" if wrong else "a"), shown, [])


def arguments(data: DataSet, out: Path, *more: str) -> list[str]:
    return [str(data.root), "--made", "--to", "s3://bucket/data", "--champion", str(data.root),
            "--out", str(out), *more]  # fmt: skip


def test_winner_is_registered_after_all_steps_in_order(
    data: DataSet, tmp_path: Path, steps: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared(monkeypatch, contest(data, wrong=False))

    assert main(arguments(data, tmp_path, "--tune")) == 0

    assert [step[0] for step in steps] == ["upload", "tune", "train", "register"]
    assert "--untuned" not in steps[2]


def test_refused_challenger_is_not_registered_and_not_tried_again(
    data: DataSet,
    tmp_path: Path,
    steps: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    compared(monkeypatch, contest(data, wrong=True))

    assert main(arguments(data, tmp_path)) == 1
    assert [step[0] for step in steps] == ["upload", "train"]
    assert "--untuned" in steps[1]
    assert "Nothing is registered." in capsys.readouterr().out

    steps.clear()
    assert main(arguments(data, tmp_path)) == 0
    assert steps == []
    assert "Nothing to do." in capsys.readouterr().out


def test_no_review_is_nothing_to_do(data: DataSet, tmp_path: Path, steps: list[list[str]]) -> None:
    words = [word for word in arguments(data, tmp_path) if word != "--made"]
    assert main(words) == 0
    assert [step[0] for step in steps] == ["data set"]


def test_failed_step_ends_it_with_its_command(
    data: DataSet, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(JobError, match=r"upload ended with exit code 1: false --please"):
        module._step("upload", ["false", "--please"])


def test_missing_champion_is_told(
    data: DataSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [w if w != str(data.root) else "nowhere" for w in arguments(data, tmp_path)[1:]]
    assert main([str(data.root), *words]) == 1
    assert "no champion: nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--to", "bucket"], ["--least", "few"]])
def test_wrong_use_is_told(
    data: DataSet, tmp_path: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments(data, tmp_path, *wrong))
    assert ended.value.code == 2
