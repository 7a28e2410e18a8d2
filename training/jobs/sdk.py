"""The one place that calls the SageMaker Python SDK (v3): sessions, roles, and starting jobs.

Everything else talks to AWS with boto3 clients of the SDK's session.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import NoCredentialsError, NoRegionError
from sagemaker.core import image_uris, shapes
from sagemaker.core.common_utils import resolve_value_from_config
from sagemaker.core.config.config_schema import TRAINING_JOB_ROLE_ARN_PATH
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

from training.jobs import roles
from training.jobs.config import Categorical, Config, JobSettings, Range, TuningSettings
from training.jobs.definition import Place, metric_definitions, script_mode
from training.jobs.errors import UsageError
from training.metric_lines import OBJECTIVE

# AWS's PyTorch image for training jobs, and its version. On CPUs: train.py uses no GPU.
_FRAMEWORK, _VERSION, _PROCESSOR = "pytorch-amzn2023", "2.13", "ml.m5.xlarge"


class Sdk:
    """A session of the SDK and what it knows of the account. Raises UsageError without one."""

    def __init__(self, settings: JobSettings) -> None:
        # The SDK simulates its own policy for training jobs before it starts one and refuses a role
        # that lacks any of it: nine actions on VPCs among them, and metrics without a condition. A
        # role that may do what these jobs do, and no more, never passes. What a role lacks,
        # CreateTrainingJob itself says. A variable, because ModelTrainer takes no argument for it.
        os.environ["SAGEMAKER_VALIDATE_ROLE"] = "false"
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

    def image(self) -> str:
        """The configuration's, or AWS's PyTorch image: its account differs from region to region.

        Raises UsageError for a region that has none.
        """
        if self._settings.image:
            return self._settings.image
        try:
            uri = image_uris.retrieve(
                _FRAMEWORK, self.region, _VERSION, instance_type=_PROCESSOR, image_scope="training"
            )
        except ValueError as error:
            raise UsageError(f"No training image: {error} Name one in [jobs] image.") from error
        return str(uri)

    def role(self, stack: str) -> str:
        """ARN of the role that jobs run as: the configuration's, that of the SDK's own
        configuration, of a stack (`stack` or the one of training/role.yaml), or the caller's own
        where SageMaker may take it.

        Raises UsageError where there is none.
        """
        configured = resolve_value_from_config(
            config_path=TRAINING_JOB_ROLE_ARN_PATH, sagemaker_session=self._session
        )
        given = self._settings.role or configured
        given = given or roles.of_stacks(self.client("cloudformation"), stack)
        try:
            role = resolve_and_validate_role(
                provided_role=given, role_type="training", sagemaker_session=self._session
            )
        except RoleValidationError as error:  # the caller is a user, not a role
            raise UsageError(roles.NONE) from error
        except ValueError as error:
            raise UsageError(f"{error}\n{roles.NONE}") from error
        if not given and not roles.trusts_sagemaker(self.client("iam"), role):
            raise UsageError(roles.NONE)
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
            inputs=[
                shapes.Channel(**transform(c, "Channel"))
                for c in place.channels(uris, config.jobs.input_mode)
            ],
            job_name=name,
            wait=False,
        )


class _Tuner(HyperparameterTuner):
    """The SDK's tuner, which itself never asks for encryption between a trial's instances."""

    def _build_training_job_definition(self, inputs: list[shapes.Channel]) -> Any:
        definition = super()._build_training_job_definition(inputs)
        if definition.resource_config.instance_count > 1:
            definition.enable_inter_container_traffic_encryption = True
        return definition


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
            instance_count=config.trial_instances,
            volume_size_in_gb=jobs.volume_gb,
            enable_managed_spot_training=False,
        ),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=jobs.max_runtime_s),
        output_data_config=shapes.OutputDataConfig(s3_output_path=place.output),
        hyperparameters=script_mode(config.hyperparameters, place.source, config.trial_instances),
    )
    return _Tuner(
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
