"""SageMaker's control plane: the operations, their checks and AWS's own words for what is wrong."""

from __future__ import annotations

import time
from typing import Any

from local.arns import sagemaker_arn
from local.errors import AwsError
from local.sagemaker import package
from local.sagemaker.endpoints import IN_PROGRESS, Endpoints, instances_of, variants_of
from local.sagemaker.listing import page
from local.sagemaker.package import ModelDataError
from local.settings import Settings
from local.store import Record, Store


class HostingOperations:
    """Each public method is one operation: validated parameters in, its answer's members out."""

    def __init__(self, settings: Settings, store: Store, endpoints: Endpoints) -> None:
        self._settings = settings
        self._store = store
        self._endpoints = endpoints

    # Models

    def create_model(self, params: dict[str, Any]) -> dict[str, Any]:
        url = package.model_data_url(params)
        if url is not None:
            try:
                package.check_exists(self._settings.url, url)
            except ModelDataError as error:
                raise AwsError("ValidationException", str(error)) from error
        model_arn = self._add(
            self._store["models"], "model", params["ModelName"], {**params, "ModelArn": None}
        )
        return {"ModelArn": model_arn}

    def describe_model(self, params: dict[str, Any]) -> dict[str, Any]:
        return self._find(self._store["models"], "model", "model", params["ModelName"])

    def list_models(self, params: dict[str, Any]) -> dict[str, Any]:
        return page(self._store.rows("models"), params, "Models", "ModelName")

    def delete_model(self, params: dict[str, Any]) -> dict[str, Any]:
        return self._drop(self._store["models"], "model", "model", params["ModelName"])

    # Endpoint configurations

    def create_endpoint_config(self, params: dict[str, Any]) -> dict[str, Any]:
        names = [variant["VariantName"] for variant in params["ProductionVariants"]]
        if len(set(names)) < len(names):
            raise AwsError(
                "ValidationException",
                f"Each ProductionVariant needs a VariantName of its own, not {', '.join(names)}.",
            )
        for variant in params["ProductionVariants"]:
            if "ModelName" not in variant:
                raise AwsError(
                    "ValidationException",
                    "The local cloud needs a ModelName in each ProductionVariant.",
                )
            self._find(self._store["models"], "model", "model", variant["ModelName"])
            if ("ServerlessConfig" in variant) == ("InstanceType" in variant):
                raise AwsError(
                    "ValidationException",
                    "A variant has either an InstanceType or a ServerlessConfig.",
                )
        name = params["EndpointConfigName"]
        config_arn = self._add(
            self._store["endpoint_configs"],
            "endpoint-config",
            name,
            {**params, "EndpointConfigArn": None},
        )
        return {"EndpointConfigArn": config_arn}

    def describe_endpoint_config(self, params: dict[str, Any]) -> dict[str, Any]:
        return self._find_config(params["EndpointConfigName"])

    def list_endpoint_configs(self, params: dict[str, Any]) -> dict[str, Any]:
        rows = self._store.rows("endpoint_configs")
        return page(rows, params, "EndpointConfigs", "EndpointConfigName")

    def delete_endpoint_config(self, params: dict[str, Any]) -> dict[str, Any]:
        name = params["EndpointConfigName"]
        return self._drop(
            self._store["endpoint_configs"], "endpoint-config", "endpoint configuration", name
        )

    # Endpoints

    def create_endpoint(self, params: dict[str, Any]) -> dict[str, Any]:
        endpoint_arn = sagemaker_arn("endpoint", params["EndpointName"])
        now = time.time()
        record = {
            "EndpointName": params["EndpointName"],
            "EndpointArn": endpoint_arn,
            "EndpointConfigName": params["EndpointConfigName"],
            "EndpointStatus": "Creating",
            "CreationTime": now,
            "LastModifiedTime": now,
            "_generation": 0,
        }
        with self._store.changing():  # nobody comes between the look and the act
            self._find_config(params["EndpointConfigName"])
            if endpoint_arn in self._store["endpoints"]:
                raise AwsError(
                    "ValidationException",
                    f'Cannot create already existing endpoint "{endpoint_arn}".',
                )
            self._store["endpoints"][endpoint_arn] = record
        self._endpoints.create(record)
        return {"EndpointArn": endpoint_arn}

    def update_endpoint(self, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.changing():
            record = self._settled_endpoint(params["EndpointName"])
            self._find_config(params["EndpointConfigName"])
            if record["EndpointStatus"] != "InService":
                status = record["EndpointStatus"]
                raise AwsError(
                    "ValidationException",
                    f"An endpoint that is {status} cannot be updated. Delete it.",
                )
            deployment = params.get("DeploymentConfig")
            keep = params.get("RetainAllVariantProperties", False)
            self._endpoints.update(record, params["EndpointConfigName"], deployment, keep)
        return {"EndpointArn": record["EndpointArn"]}

    def describe_endpoint(self, params: dict[str, Any]) -> dict[str, Any]:
        record = self._find(
            self._store["endpoints"], "endpoint", "endpoint", params["EndpointName"]
        )
        variants = variants_of(self._store, record)
        summaries = [
            _variant_summary(variant, instances_of(record, variant)) for variant in variants
        ]
        return {**record, "ProductionVariants": summaries}

    def list_endpoints(self, params: dict[str, Any]) -> dict[str, Any]:
        rows = self._store.rows("endpoints")
        return page(rows, params, "Endpoints", "EndpointName", "EndpointStatus")

    def delete_endpoint(self, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.changing():
            self._endpoints.delete(self._settled_endpoint(params["EndpointName"]))
        return {}

    # What they share

    def _settled_endpoint(self, name: str) -> Record:
        record = self._find(self._store["endpoints"], "endpoint", "endpoint", name)
        if record["EndpointStatus"] in IN_PROGRESS:
            raise AwsError(
                "ValidationException",
                f'Cannot update in-progress endpoint "{record["EndpointArn"]}".',
            )
        return record

    def _find_config(self, name: str) -> Record:
        return self._find(
            self._store["endpoint_configs"], "endpoint-config", "endpoint configuration", name
        )

    @staticmethod
    def _find(table: dict[str, Record], kind: str, words: str, name: str) -> Record:
        resource_arn = sagemaker_arn(kind, name)
        record = table.get(resource_arn)
        if record is None:
            raise AwsError("ValidationException", f'Could not find {words} "{resource_arn}".')
        return record

    def _add(self, table: dict[str, Record], kind: str, name: str, record: Record) -> str:
        resource_arn = sagemaker_arn(kind, name)
        with self._store.changing():
            if resource_arn in table:
                words = kind.replace("-config", " configuration")
                raise AwsError(
                    "ValidationException",
                    f'Cannot create already existing {words} "{resource_arn}".',
                )
            arn_member = next(member for member, value in record.items() if value is None)
            table[resource_arn] = record | {arn_member: resource_arn, "CreationTime": time.time()}
        return resource_arn

    def _drop(self, table: dict[str, Record], kind: str, words: str, name: str) -> dict[str, Any]:
        with self._store.changing():
            self._find(table, kind, words, name)
            del table[sagemaker_arn(kind, name)]
        return {}


def _variant_summary(variant: dict[str, Any], count: int | None) -> dict[str, Any]:
    weight = variant.get("InitialVariantWeight", 1.0)
    return {
        "VariantName": variant["VariantName"],
        "CurrentWeight": weight,
        "DesiredWeight": weight,
        "CurrentInstanceCount": count,
        "DesiredInstanceCount": count,
        "CurrentServerlessConfig": variant.get("ServerlessConfig"),
        "DesiredServerlessConfig": variant.get("ServerlessConfig"),
    }
