"""SageMaker's model registry: packages in versions, the groups that hold them, and their approval.

A package is kept as it was given; nothing is validated by running it.
"""

from __future__ import annotations

import time
from typing import Any

from local.arns import sagemaker_arn
from local.errors import AwsError
from local.sagemaker import package
from local.sagemaker.listing import page
from local.sagemaker.package import ModelDataError
from local.settings import ACCOUNT_ID, Settings
from local.store import Record, Store

GROUPS, PACKAGES = "model_package_groups", "model_packages"
_GROUP, _PACKAGE = "model-package-group", "model-package"
# The local cloud knows no callers: everybody is the account itself.
_CALLER = {"IamIdentity": {"Arn": f"arn:aws:iam::{ACCOUNT_ID}:root", "PrincipalId": ACCOUNT_ID}}


class RegistryOperations:
    """Each public method is one operation: validated parameters in, its answer's members out."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store

    # Groups

    def create_model_package_group(self, params: dict[str, Any]) -> dict[str, Any]:
        name = params["ModelPackageGroupName"]
        arn = sagemaker_arn(_GROUP, name)
        with self._store.changing():
            if arn in self._store[GROUPS]:
                raise AwsError("ValidationException", f"Model Package Group already exists: {arn}")
            self._store[GROUPS][arn] = {
                **params,
                "ModelPackageGroupArn": arn,
                "ModelPackageGroupStatus": "Completed",
                "CreationTime": time.time(),
                "CreatedBy": _CALLER,
                "_versions": 0,
            }
        return {"ModelPackageGroupArn": arn}

    def describe_model_package_group(self, params: dict[str, Any]) -> dict[str, Any]:
        return self._group(params["ModelPackageGroupName"])

    def list_model_package_groups(self, params: dict[str, Any]) -> dict[str, Any]:
        rows = self._store.rows(GROUPS)
        return page(
            rows,
            params,
            "ModelPackageGroupSummaryList",
            "ModelPackageGroupName",
            default_order="Ascending",
        )

    def delete_model_package_group(self, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.changing():
            group = self._group(params["ModelPackageGroupName"])
            name = group["ModelPackageGroupName"]
            if any(
                row.get("ModelPackageGroupName") == name
                for row in self._in_region(group["ModelPackageGroupArn"])
            ):
                raise AwsError(
                    "ConflictException",
                    f"Model Package Group {group['ModelPackageGroupArn']} cannot be deleted "
                    "because it still contains Model Packages.",
                )
            del self._store[GROUPS][group["ModelPackageGroupArn"]]
        return {}

    # Packages

    def create_model_package(self, params: dict[str, Any]) -> dict[str, Any]:
        named = {"ModelPackageName", "ModelPackageGroupName"} & params.keys()
        if not named:
            raise AwsError("ValidationException", "Missing ARN.")
        if len(named) > 1:
            raise AwsError(
                "ValidationException",
                "Both ModelPackageName and ModelPackageGroupName are provided in the input. "
                "Cannot determine which one to use.",
            )
        self._check_data(params)
        now = time.time()
        status = {"ModelPackageStatus": "Completed"}
        details: dict[str, Any] = {"ValidationStatuses": [], "ImageScanStatuses": []}
        record = {
            "CertifyForMarketplace": False,
            **params,
            **status,
            "ModelPackageStatusDetails": details,
            "CreationTime": now,
            "CreatedBy": _CALLER,
        }
        with self._store.changing():
            if "ModelPackageGroupName" in params:
                group = self._group(params["ModelPackageGroupName"])
                group["_versions"] += 1  # a number is never given twice
                name = group["ModelPackageGroupName"]
                record |= {
                    "ModelPackageGroupName": name,
                    "ModelPackageName": name,
                    "ModelPackageVersion": group["_versions"],
                    "ModelApprovalStatus": params.get(
                        "ModelApprovalStatus", "PendingManualApproval"
                    ),
                }
                arn = sagemaker_arn(_PACKAGE, f"{name}/{group['_versions']}")
            else:
                arn = sagemaker_arn(_PACKAGE, params["ModelPackageName"])
                if arn in self._store[PACKAGES]:
                    raise AwsError("ValidationException", f"Model Package already exists: {arn}")
            self._store[PACKAGES][arn] = record | {"ModelPackageArn": arn}
        return {"ModelPackageArn": arn}

    def describe_model_package(self, params: dict[str, Any]) -> dict[str, Any]:
        return self._package(params["ModelPackageName"])

    def update_model_package(self, params: dict[str, Any]) -> dict[str, Any]:
        changed = {
            name: value
            for name, value in params.items()
            if name in ("ModelApprovalStatus", "ApprovalDescription", "InferenceSpecification",
                        "SourceUri", "ModelCard", "ModelLifeCycle", "ModelPackageRegistrationType")
        }  # fmt: skip
        self._check_data(params)
        with self._store.changing():
            record = self._package(params["ModelPackageArn"])
            if "ModelApprovalStatus" in params and "ModelPackageVersion" not in record:
                raise AwsError(
                    "ValidationException",
                    "ModelApprovalStatus can be updated for versioned Model Packages only.",
                )
            properties = {**(record.get("CustomerMetadataProperties") or {})}
            properties |= params.get("CustomerMetadataProperties", {})
            for name in params.get("CustomerMetadataPropertiesToRemove", []):
                properties.pop(name, None)
            added = params.get("AdditionalInferenceSpecificationsToAdd", [])
            kept = [*(record.get("AdditionalInferenceSpecifications") or []), *added]
            record |= changed | {
                "CustomerMetadataProperties": properties or None,
                "AdditionalInferenceSpecifications": kept or None,
                "LastModifiedTime": time.time(),
                "LastModifiedBy": _CALLER,
            }
        return {"ModelPackageArn": record["ModelPackageArn"]}

    def list_model_packages(self, params: dict[str, Any]) -> dict[str, Any]:
        rows = self._store.rows(PACKAGES)
        if "ModelPackageGroupName" in params:
            group = self._group(params["ModelPackageGroupName"])["ModelPackageGroupName"]
            rows = [row for row in rows if row.get("ModelPackageGroupName") == group]
        else:
            kind = params.get("ModelPackageType", "Unversioned")
            rows = [
                row
                for row in rows
                if kind == "Both" or ("ModelPackageVersion" in row) == (kind == "Versioned")
            ]
        if status := params.get("ModelApprovalStatus"):
            rows = [row for row in rows if row.get("ModelApprovalStatus") == status]
        return page(rows, params, "ModelPackageSummaryList", "ModelPackageName")

    def delete_model_package(self, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.changing():
            del self._store[PACKAGES][self._package(params["ModelPackageName"])["ModelPackageArn"]]
        return {}

    # What they share

    def _group(self, name: str) -> Record:
        return self._find(GROUPS, "ModelPackageGroup", _GROUP, name)

    def _package(self, name: str) -> Record:
        return self._find(PACKAGES, "ModelPackage", _PACKAGE, name)

    def _find(self, table: str, words: str, kind: str, name: str) -> Record:
        """`name` is a name or an ARN."""
        arn = name.lower() if name.startswith("arn:") else sagemaker_arn(kind, name)
        record = self._store[table].get(arn)
        if record is None:
            raise AwsError("ValidationException", f"{words} {arn} does not exist.")
        return record

    def _in_region(self, arn: str) -> list[Record]:
        start = arn.partition(_GROUP)[0]
        return [
            row for row in self._store.rows(PACKAGES) if row["ModelPackageArn"].startswith(start)
        ]

    def _check_data(self, params: dict[str, Any]) -> None:
        """Every model archive that a specification names is there. Raises AwsError."""
        for container in params.get("InferenceSpecification", {}).get("Containers", []):
            url = container.get("ModelDataUrl")
            try:
                if url is not None:
                    package.check_exists(self._settings.url, url)
            except ModelDataError as error:
                raise AwsError("ValidationException", str(error)) from error
