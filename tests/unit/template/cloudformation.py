"""template.yaml as plain data, and small questions about it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = ROOT / "template.yaml"
EMULATOR_PYTHON = ROOT / ".venv" / "emulator" / "bin" / "python"

_TRANSLATE = """
import json, sys
from samtranslator.translator.transform import transform
template = json.load(sys.stdin)
defaults = {name: p["Default"] for name, p in template["Parameters"].items() if "Default" in p}
class NoManagedPolicies:
    def load(self): return {}
json.dump(transform(template, defaults, NoManagedPolicies()), sys.stdout)
"""


class _Loader(yaml.CSafeLoader):
    """Reads CloudFormation's short tags as the functions they stand for. In C: ten times faster."""


def _short_tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_tag)


def parse(text: str) -> dict[str, Any]:
    template: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader with tags
    return template


@cache
def template() -> dict[str, Any]:
    """The template as it is written."""
    return parse(TEMPLATE.read_text())


@cache
def translated() -> dict[str, Any]:
    """The template after the SAM transform: what CloudFormation gets to see."""
    if not EMULATOR_PYTHON.exists():
        pytest.skip(f"needs the SAM translator of {EMULATOR_PYTHON}: run `make setup`")
    done = subprocess.run(
        [EMULATOR_PYTHON, "-c", _TRANSLATE],
        # The transform takes a local CodeUri only once it is uploaded.
        input=json.dumps(template()).replace('"functions/classify/"', '"s3://bucket/code.zip"'),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def of_type(source: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Logical id -> properties of every resource of this type."""
    return {
        name: resource.get("Properties", {})
        for name, resource in source["Resources"].items()
        if resource["Type"] == kind
    }


def table_of(source: dict[str, Any], name: str) -> dict[str, Any]:
    """What CreateTable needs of the template's table of this logical id, but for its name."""
    properties = of_type(source, "AWS::DynamoDB::Table")[name]
    wanted = ("AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes")
    return {each: properties[each] for each in wanted if each in properties}


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping inside a value, the value itself included."""
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from walk(child)
    elif isinstance(value, list):
        for child in value:
            yield from walk(child)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


class Statement(NamedTuple):
    resource: str
    sid: str
    body: dict[str, Any]


def statements(source: dict[str, Any]) -> list[Statement]:
    """Every statement of every role, policy, and bucket, queue, topic or key policy."""
    return [
        Statement(name, body.get("Sid", ""), body)
        for name, resource in source["Resources"].items()
        for mapping in walk(resource.get("Properties", {}))
        if "Statement" in mapping
        for body in listed(mapping["Statement"])
    ]


def references(value: Any) -> set[str]:
    """Every name that Ref, Fn::GetAtt and Fn::Sub point to, pseudo parameters left out."""
    found: set[str] = set()
    for mapping in walk(value):
        if "Ref" in mapping:
            found.add(mapping["Ref"])
        if "Fn::GetAtt" in mapping:
            found.add(mapping["Fn::GetAtt"][0])
        if "Fn::Sub" in mapping:
            text, own = (*listed(mapping["Fn::Sub"]), {})[:2]
            names = {name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text)}
            found |= names - set(own)
    return {name for name in found if not name.startswith("AWS::")}


def depends_on(source: dict[str, Any]) -> dict[str, set[str]]:
    """Logical id -> the resources that have to exist before it."""
    resources = source["Resources"]
    return {
        name: (
            references(resource.get("Properties", {})) & set(resources)
            | set(listed(resource.get("DependsOn", [])))
        )
        for name, resource in resources.items()
    }
