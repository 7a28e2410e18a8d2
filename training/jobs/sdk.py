"""The one place that calls the SageMaker Python SDK (v3): sessions, roles, and starting jobs.

Everything else talks to AWS with boto3 clients of the SDK's session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import NoCredentialsError, NoRegionError
from sagemaker.core import shapes
from sagemaker.core.helper.iam_role_resolver import (
    RoleValidationError,
    resolve_and_validate_role,
)
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.parameter import (
    CategoricalParameter,
    ContinuousParameter,
    IntegerParameter,
    ParameterRange,
)
from sagemaker.core.resources import TrainingJob
from sagemaker.core.training.configs import Compute, StoppingCondition
from sagemaker.core.utils.code_injection.codec import transform
from sagemaker.train import ModelTrainer
from sagemaker.train.tuner import HyperparameterTuner

from training.jobs.config import Categorical, Config, JobSettings, Range, TuningSettings
from training.jobs.definition import Place, channels, metric_definitions, script_mode
from training.jobs.errors import UsageError
from training.metric_lines import OBJECTIVE


class Sdk:
    """A session of the SDK and what it knows of the account. Raises UsageError without one."""

    def __init__(self, settings: JobSettings) -> None:
        try:
            self._session = Session(default_bucket=settings.bucket or None)
            self.bucket = str(self._session.default_bucket())
        except (NoRegionError, NoCredentialsError, ValueError) as error:
            raise UsageError(
                f"AWS cannot be reached: {error} Set credentials and a region (`aws configure`), "
                'or point the shell at the local cloud: eval "$(make -s env)"'
            ) from error
        self._settings = settings
        self.region = str(self._session.boto_region_name)

    def client(self, service: str) -> Any:
        return self._session.boto_session.client(service, region_name=self.region)

    def role(self) -> str:
        """The role that jobs run as: the configuration's, the SDK's default, or the caller's."""
        try:
            role = resolve_and_validate_role(
                provided_role=self._settings.role or None,
                role_type="training",
                sagemaker_session=self._session,
            )
        except (RoleValidationError, ValueError) as error:
            raise UsageError(
                f"No role for training jobs: {error}\nName one in [jobs] role of the "
                "configuration, or as SageMaker.TrainingJob.RoleArn in the SDK's own."
            ) from error
        return str(role)

    def start_training(self, request: Mapping[str, Any]) -> None:
        """CreateTrainingJob with exactly `request`."""
        TrainingJob.create(
            **transform(dict(request), "CreateTrainingJobRequest"),
            session=self._session.boto_session,
            region=self.region,
        )

    def start_tuning(
        self, name: str, config: Config, place: Place, uris: Mapping[str, str]
    ) -> None:
        """CreateHyperParameterTuningJob by the SDK's tuner over toolkit-form training jobs."""
        tuner(self._session, config, place).tune(
            inputs=[shapes.Channel(**transform(c, "Channel")) for c in channels(uris)],
            job_name=name,
            wait=False,
        )


def tuner(session: Session, config: Config, place: Place) -> HyperparameterTuner:
    """The tuner of a configuration. Without `source_code` the trainer adds no drivers of its own,
    so the jobs keep the toolkit form.
    """
    jobs, tuning = config.jobs, config.tuning
    trainer = ModelTrainer(
        sagemaker_session=session,
        training_image=place.image,
        role=place.role,
        base_job_name=jobs.name,
        compute=Compute(
            instance_type=jobs.instance_type,
            instance_count=1,
            volume_size_in_gb=jobs.volume_gb,
            enable_managed_spot_training=False,
        ),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=jobs.max_runtime_s),
        output_data_config=shapes.OutputDataConfig(s3_output_path=place.output),
        hyperparameters=script_mode(config.hyperparameters, place.source),
    )
    return HyperparameterTuner(
        model_trainer=trainer,
        objective_metric_name=OBJECTIVE,
        objective_type="Maximize",
        metric_definitions=metric_definitions(),
        hyperparameter_ranges={name: _parameter(spec) for name, spec in config.ranges.items()},
        strategy=tuning.strategy,
        strategy_config=_strategy_config(config),
        max_jobs=tuning.max_jobs or None,
        max_parallel_jobs=tuning.max_parallel_jobs,
        early_stopping_type=tuning.early_stopping,
        random_seed=tuning.seed,
        warm_start_config=_warm_start(tuning),
    )


def _parameter(spec: Range) -> ParameterRange:
    if isinstance(spec, Categorical):
        return CategoricalParameter(list(spec.values))
    kind = IntegerParameter if spec.integer else ContinuousParameter
    return kind(spec.minimum, spec.maximum, spec.scaling)


def _strategy_config(config: Config) -> shapes.HyperParameterTuningJobStrategyConfig | None:
    if config.tuning.strategy != "Hyperband":
        return None
    return shapes.HyperParameterTuningJobStrategyConfig(
        hyperband_strategy_config=shapes.HyperbandStrategyConfig(
            min_resource=config.tuning.hyperband_min_epochs,
            max_resource=int(config.hyperparameters["epochs"]),
        )
    )


def _warm_start(
    tuning: TuningSettings,
) -> shapes.HyperParameterTuningJobWarmStartConfig | None:
    if not tuning.warm_start:
        return None
    return shapes.HyperParameterTuningJobWarmStartConfig(
        warm_start_type=tuning.warm_start_type,
        parent_hyper_parameter_tuning_jobs=[
            shapes.ParentHyperParameterTuningJob(hyper_parameter_tuning_job_name=name)
            for name in tuning.warm_start
        ],
    )
