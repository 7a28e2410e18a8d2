"""The same application inside Ray Serve, as AWS's Ray image runs it (`serve run config.yaml`)."""

from pathlib import Path

from ray import serve

from serving.app import create_app
from serving.model import Model, load
from serving.settings import Settings

MODEL_DIR = Path(__file__).resolve().parents[2]  # /opt/ml/model, from /opt/ml/model/code/serving
SETTINGS = Settings.from_env()


def load_model() -> Model:
    """The package beside this code, verified."""
    return load(MODEL_DIR, SETTINGS.thread_count(), SETTINGS.precision)


# `serve run` imports this module first (see serve_run.py) and ends if the package is bad. Then Ray
# does, to build the application, and answers health checks from then on: so nothing that can fail
# may wait for a replica's start, which Ray would only try again and again.
load_model()


@serve.deployment
@serve.ingress(create_app(load_model, SETTINGS))
class BreedClassifier:
    """One process, one model, one batcher."""


app = BreedClassifier.bind()  # type: ignore[attr-defined]  # added by the decorator
