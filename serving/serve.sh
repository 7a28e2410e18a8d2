#!/bin/sh
# The image's `serve` (see Dockerfile): what SageMaker starts, with the package at /opt/ml/model.
# `exec`, so that the server is the container's first process and SIGTERM reaches it.
if [ ! -d /opt/ml/model/code/serving ]; then
  echo "error: /opt/ml/model/code/serving is missing: ModelDataUrl must name a model.tar.gz of this project" >&2
  exit 1
fi
exec python -m serving --model-dir /opt/ml/model --host 0.0.0.0 --port 8080
