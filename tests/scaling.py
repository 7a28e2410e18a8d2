"""A variant of an endpoint as a target of Application Auto Scaling, and its instances."""

from __future__ import annotations

from typing import Any


def target(endpoint: str) -> dict[str, str]:
    """What names the target in every operation."""
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


def instances(sagemaker: Any, endpoint: str) -> int:
    """How many the endpoint's first variant has."""
    described = sagemaker.describe_endpoint(EndpointName=endpoint)
    return int(described["ProductionVariants"][0]["CurrentInstanceCount"])
