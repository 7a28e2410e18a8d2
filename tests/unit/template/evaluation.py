"""template.yaml as CloudFormation would evaluate it for given parameters and a region."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from botocore.loaders import Loader

from tests.unit.template.cloudformation import template

_NOTHING = object()


@cache
def _partitions() -> list[dict[str, Any]]:
    """What AWS publishes of its partitions; the first one is `aws`."""
    found: list[dict[str, Any]] = Loader().load_data("endpoints")["partitions"]
    return found


class Deployment:
    """The template with these parameters, the others at their defaults, in this region.

    A resource's ARN is a role's, its other attributes are its logical id.
    """

    def __init__(
        self, region: str = "us-east-1", source: dict[str, Any] | None = None, **parameters: Any
    ) -> None:
        self._source = source or template()
        defaults = {n: p.get("Default", "") for n, p in self._source["Parameters"].items()}
        partition = next(
            (p for p in _partitions() if re.match(p["regionRegex"], region)), _partitions()[0]
        )
        self._values = defaults | parameters
        self._values |= {
            "AWS::AccountId": "123456789012",
            "AWS::NoValue": _NOTHING,
            "AWS::Partition": partition["partition"],
            "AWS::Region": region,
            "AWS::StackName": "stack",
            "AWS::URLSuffix": partition["dnsSuffix"],
        }

    def condition(self, name: str) -> bool:
        return bool(self.value(self._source["Conditions"][name]))

    def properties(self, name: str) -> dict[str, Any]:
        """A resource's properties, without those that are AWS::NoValue."""
        found: dict[str, Any] = self.value(self._source["Resources"][name]["Properties"])
        return found

    def made(self, name: str) -> bool:
        condition = self._source["Resources"][name].get("Condition")
        return condition is None or self.condition(condition)

    def refusals(self) -> list[str]:
        """The names of the rules that keep the stack from being made."""
        return [
            name
            for name, rule in self._source["Rules"].items()
            if self.value(rule.get("RuleCondition", True))
            and not all(self.value(each["Assert"]) for each in rule["Assertions"])
        ]

    def value(self, value: Any) -> Any:
        if isinstance(value, list):
            items = [self.value(item) for item in value]
            return [item for item in items if item is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (function, argument), *_ = value.items()
            if function == "Fn::If":
                name, yes, no = argument
                return self.value(yes if self.condition(name) else no)
            if function in _FUNCTIONS:
                return _FUNCTIONS[function](self, argument)
        resolved = {name: self.value(item) for name, item in value.items()}
        return {name: item for name, item in resolved.items() if item is not _NOTHING}

    def reference(self, name: str) -> Any:
        return self._values.get(name, name)

    def find_in_map(self, argument: list[Any]) -> Any:
        name, first, second = (self.value(each) for each in argument)
        return self._source["Mappings"][name][first][second]

    def attribute(self, argument: list[str]) -> str:
        return "arn:aws:iam::123456789012:role/model" if argument[1] == "Arn" else argument[0]

    def substituted(self, argument: Any) -> str:
        text, own = (argument, {}) if isinstance(argument, str) else argument

        def one(match: re.Match[str]) -> str:
            name = match[1]
            if name in own:
                return str(self.value(own[name]))
            if "." in name:
                return self.attribute(name.split(".", 1))
            return str(self.reference(name))

        return re.sub(r"\$\{([^!}]+)\}", one, text)


def _equal(deployment: Deployment, argument: list[Any]) -> bool:
    left, right = (str(deployment.value(each)) for each in argument)
    return left == right


_FUNCTIONS: dict[str, Callable[[Deployment, Any], Any]] = {
    "Ref": Deployment.reference,
    "Condition": Deployment.condition,
    "Fn::GetAtt": Deployment.attribute,
    "Fn::Sub": Deployment.substituted,
    "Fn::FindInMap": Deployment.find_in_map,
    "Fn::Equals": _equal,
    "Fn::Not": lambda d, argument: not d.value(argument[0]),
    "Fn::And": lambda d, argument: all(d.value(each) for each in argument),
    "Fn::Or": lambda d, argument: any(d.value(each) for each in argument),
    "Fn::Contains": lambda d, argument: d.value(argument[1]) in d.value(argument[0]),
    "Fn::Select": lambda d, argument: d.value(argument[1])[int(argument[0])],
    "Fn::Split": lambda d, argument: d.value(argument[1]).split(argument[0]),
    "Fn::Join": lambda d, argument: argument[0].join(d.value(argument[1])),
}
