"""What the exported package answers: the reported figures are those of the model that is served."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from photo_reader import PhotoError
from serving.model import Model, Prediction
from serving.weights import Floats
from training.data.dataset import DataSet
from training.errors import JobError
from training.features.file import SplitFeatures
from training.features.photos import picture, portions, threads
from training.figures.metrics import Answers
from training.fit.calibration import fit_novelty, fit_temperature

# Photos that go the whole way, to prove that the cached features are those of the package.
_PROBES = 16

# Probabilities may differ by this much between a batch of one size and another.
_TOLERANCE = 1e-3


def calibrated(model: Model, features: Floats, labels: NDArray[np.int64]) -> Model:
    """The model with a temperature and quantiles fitted to these photos: those of validation."""
    logits = model.heads(features)[0]
    manifest = replace(
        model.manifest,
        temperature=fit_temperature(logits, labels),
        novelty=fit_novelty(logits),
    )
    return Model(manifest, model.backbone, model.heads, model.exact)


def own_features(model: Model, data: DataSet, names: Sequence[str]) -> Floats:
    """The package as an endpoint runs it: files, serving's preprocessing, its backbone's passes."""
    paths = {name: path for path, name in data.names.items()}
    spec = model.manifest.preprocess

    def features(part: Sequence[str]) -> Floats:
        try:
            pictures = [picture(paths[name], spec, 0, name) for name in part]
        except (PhotoError, OSError) as error:
            raise JobError(f"a photo could be read before, and now cannot: {error}") from error
        return model.backbone(np.stack(pictures))[0]

    with threads("evaluate") as pool:
        parts = [names[part] for part in portions(len(names))]
        return np.concatenate(list(pool.map(features, parts)))


def check_features(
    model: Model, data: DataSet, split: SplitFeatures, cached: Sequence[Prediction]
) -> None:
    """Send some photos the whole way; raises JobError when `cached` says otherwise."""
    step = max(1, len(split.names) // _PROBES)
    chosen = list(range(0, len(split.names), step))[:_PROBES]
    served = model.answers(own_features(model, data, [split.names[at] for at in chosen]))
    for at, prediction in zip(chosen, served, strict=True):
        if abs(prediction.confidence - cached[at].confidence) > _TOLERANCE:
            raise JobError(
                f"{split.names[at]}: the package answers {prediction.label} "
                f"({prediction.confidence:.4f}), on the cached features it answers "
                f"{cached[at].label} ({cached[at].confidence:.4f}): the features are not those of "
                "this package; make them anew"
            )


def to_answers(
    predictions: Sequence[Prediction], split: SplitFeatures, labels: Sequence[str]
) -> Answers:
    """Predictions -> indices of labels; "no dog" is an answer without any."""
    index = {label: at for at, label in enumerate(labels)}
    ranked = tuple(
        tuple(index[label] for label, _ in one.top) if one.label is not None else ()
        for one in predictions
    )
    return Answers(tuple(split.labels.tolist()), ranked)
