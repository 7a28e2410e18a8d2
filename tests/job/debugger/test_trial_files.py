"""What the writer leaves is a trial to smdebug itself, unmodified."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from smdebug.core.modes import ModeKeys
from smdebug.core.tfrecord.tensor_reader import TensorReader
from smdebug.trials import create_trial

from training.debugger.children import ROOT
from training.debugger.smdebug_bridge import FollowedTrial
from training.debugger.trial_files import (
    Column,
    StepTemplate,
    TrialFiles,
    content_of,
    reduction,
    write_collections,
)
from training.debugger.writer import HEADER, define

LOSS = Column("CrossEntropyLoss_output_0", 1)
GRADIENT = Column(reduction("abs_mean", "gradient/Net_fc.weight"), 1)
ACTIVE = Column(reduction("active", "Net_relu_output_0"), 7)


def written(folder: Path) -> None:
    """1,203 train steps with an evaluation step after each hundredth, flushed now and then."""
    write_collections(folder, {"losses": {"tensor_names": [LOSS.name]}})
    trial = TrialFiles(folder)
    train, evaluation = (
        StepTemplate("train", [LOSS, GRADIENT, ACTIVE]),
        StepTemplate("eval", [LOSS]),
    )
    step = 0
    for index in range(1203):
        numbers = np.array([index, index / 7, *range(index, index + 7)], np.float32)
        trial.add(train, step, index, 1e9 + index, numbers.tobytes())
        step += 1
        if index % 100 == 99:
            trial.add(evaluation, step, index // 100, 2e9, np.array([-index], np.float32).tobytes())
            step += 1
            trial.flush()
    trial.end()


def test_smdebug_reads_every_number_back(tmp_path: Path) -> None:
    written(tmp_path / "tensors")

    trial = create_trial(str(tmp_path / "tensors"))

    assert trial.steps(ModeKeys.TRAIN) == list(range(1203))
    assert trial.steps(ModeKeys.EVAL) == list(range(12))
    assert trial.tensor_names(collection="losses") == [LOSS.name]
    assert trial.tensor(LOSS.name).value(1202, ModeKeys.TRAIN) == [1202]
    assert trial.tensor(LOSS.name).value(3, ModeKeys.EVAL) == [-399]
    mean = trial.tensor("gradient/Net_fc.weight").reduction_value(
        700, "mean", ModeKeys.TRAIN, abs=True
    )
    assert mean == np.float32(100)
    active = trial.tensor("Net_relu_output_0").reduction_value(5, "active", ModeKeys.TRAIN)
    assert active.tolist() == [5, 6, 7, 8, 9, 10, 11]
    assert trial.loaded_all_steps


def test_our_reader_agrees_with_smdebugs(tmp_path: Path) -> None:
    written(tmp_path / "tensors")

    trial = FollowedTrial(tmp_path / "tensors")
    steps = trial.new_steps()

    assert len(steps) == 1215
    assert trial.new_steps() == []
    assert trial.tensor("Net_relu_output_0").reduction_value(5, "active").tolist() == list(
        range(5, 12)
    )
    assert trial.mode(100) == ModeKeys.EVAL
    assert trial.tensor(LOSS.name).value(100) == [-99]
    trial.forget(steps[:600])
    assert trial.tensor(LOSS.name).value(steps[600]).shape == (1,)


@pytest.mark.parametrize("column", [LOSS, GRADIENT, ACTIVE], ids=lambda one: one.name)
def test_record_parses_as_protobuf(column: Column) -> None:
    numbers = np.arange(column.size, dtype=np.float32) - 0.5
    raw = StepTemplate("predict", [column]).fill(123_456, 789, 1.5e9, numbers.tobytes())

    ((name, step, values, mode, mode_step),) = TensorReader(raw).read_tensors(check="minimal")

    assert (name, step, mode, mode_step) == (column.name, 123_456, ModeKeys.PREDICT, 789)
    assert values.tolist() == numbers.tolist() == content_of(raw, column.name).tolist()


def test_writer_that_loses_its_parent_ends_the_trial(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training.debugger.writer"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    frames = define(0, "train", [(LOSS.name, 1)])
    for step in range(3):
        frames += HEADER.pack(0, step, step, 1.0, 4) + np.float32(step).tobytes()
    half_a_frame = HEADER.pack(0, 3, 3, 1.0, 4) + b"\0"

    subprocess.run(
        command, input=frames + half_a_frame, env=environment, cwd=tmp_path, check=True, timeout=60
    )

    assert (tmp_path / "training_job_end.ts").exists()
    write_collections(tmp_path, {})
    assert FollowedTrial(tmp_path).new_steps() == [0, 1, 2]
