"""What a user of the SageMaker SDK (v3) writes: a training job with its hook, then a tuning job.

Runs in the SDK's own environment, unmodified but for the shell lines of `make env`. Prints one JSON
object. The argument is a JSON object: the URL of the source archive, the output prefix, and the
environment of the jobs.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from sagemaker.core.helper.session_helper import Session
from sagemaker.core.parameter import CategoricalParameter, ContinuousParameter
from sagemaker.core.resources import Tag, TrainingJob
from sagemaker.core.shapes import (
    AlgorithmSpecification,
    CheckpointConfig,
    DebugHookConfig,
    MetricDefinition,
    OutputDataConfig,
    ResourceConfig,
    StoppingCondition,
)
from sagemaker.core.training.configs import Compute
from sagemaker.train import ModelTrainer
from sagemaker.train.tuner import HyperparameterTuner

ROLE = "arn:aws:iam::123456789012:role/model"


def train(asked: dict[str, str], environment: dict[str, str], name: str) -> TrainingJob:
    job = TrainingJob.create(
        training_job_name=name,
        role_arn=ROLE,
        algorithm_specification=AlgorithmSpecification(
            training_image="any",
            training_input_mode="File",
            metric_definitions=[MetricDefinition(name="score", regex="score=([0-9.]+)")],
        ),
        hyper_parameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": asked["source"],
            "lr": "0.5",
        },
        output_data_config=OutputDataConfig(s3_output_path=asked["output"]),
        resource_config=ResourceConfig(
            instance_type="ml.m5.xlarge", instance_count=1, volume_size_in_gb=1
        ),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        checkpoint_config=CheckpointConfig(s3_uri=f"{asked['output']}/checkpoints"),
        debug_hook_config=DebugHookConfig(s3_output_path=asked["output"]),
        environment=environment,
        tags=[Tag(key="project", value="dogs")],
    )
    job.wait(poll=1, timeout=300, logs=True)
    return job


def tune(asked: dict[str, str], environment: dict[str, str], session: Session) -> Any:
    trainer = ModelTrainer(
        sagemaker_session=session,
        training_image="any",
        role=ROLE,
        compute=Compute(instance_type="ml.m5.xlarge", instance_count=1, volume_size_in_gb=1),
        output_data_config=OutputDataConfig(s3_output_path=asked["output"]),
        hyperparameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": asked["source"],
        },
        environment=environment,
    )
    tuner = HyperparameterTuner(
        model_trainer=trainer,
        objective_metric_name="score",
        objective_type="Maximize",
        metric_definitions=[{"Name": "score", "Regex": "score=([0-9.]+)"}],
        hyperparameter_ranges={
            "lr": ContinuousParameter(0.1, 0.9, "Logarithmic"),
            "batch-size": CategoricalParameter([32, 64]),
        },
        strategy="Bayesian",
        max_jobs=2,
        max_parallel_jobs=2,
    )
    tuner.tune(job_name=asked["tuning_name"], wait=False)
    tuner.latest_tuning_job.wait(poll=1, timeout=300)
    return tuner.describe()


def main() -> None:
    asked = json.loads(sys.argv[1])
    environment = asked["environment"]
    job = train(asked, environment, asked["training_name"])
    tuning = tune(asked, environment, Session())
    best = tuning.best_training_job
    print(
        json.dumps(
            {
                "status": job.training_job_status,
                "model": job.model_artifacts.s3_model_artifacts,
                "metric": job.final_metric_data_list[0].value,
                "tuning_status": tuning.hyper_parameter_tuning_job_status,
                "best": best.training_job_name,
                "tuned": dict(best.tuned_hyper_parameters),
            }
        )
    )


if __name__ == "__main__":
    main()
