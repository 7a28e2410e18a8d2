"""A package is calibrated on its validation photos before anything is said of it."""

import numpy as np

from serving.model import Model
from serving.package import Manifest
from serving.preprocess import PreprocessSpec
from training.figures.evaluation import calibrated
from training.fit.calibration import fit_novelty, fit_temperature

SPEC = PreprocessSpec(40, 32, "bicubic", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def test_calibrated_model_has_what_is_fitted_to_its_own_logits_and_the_same_labels() -> None:
    random = np.random.default_rng(0)
    features = random.normal(0, 1, (200, 4)).astype(np.float32)
    labels = np.where(random.random(200) < 0.8, features.argmax(1), 0)
    manifest = Manifest("m", "b", tuple("ABCD"), (4, 4), SPEC, None, "0" * 64)
    plain = Model(manifest, None, lambda rows: [3 * rows])  # type: ignore[arg-type]

    found = calibrated(plain, features, labels)

    assert found.manifest.temperature == fit_temperature(3 * features, labels) != 1
    assert found.manifest.novelty == fit_novelty(3 * features)
    assert found.manifest.version != manifest.version
    before, after = plain.answers(features), found.answers(features)
    assert [one.label for one in before] == [one.label for one in after]
    assert 2 <= sum(one.unknown for one in after) <= 5
