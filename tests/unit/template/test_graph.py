"""What refers to what: everything exists, nothing goes in a circle."""

from __future__ import annotations

import copy
from graphlib import CycleError, TopologicalSorter
from typing import Any

import pytest

from tests.unit.template.cloudformation import (
    depends_on,
    references,
    template,
    translated,
    walk,
)


@pytest.mark.parametrize("source", [template, translated], ids=["written", "translated"])
def test_resources_do_not_depend_on_each_other_in_a_circle(source: Any) -> None:
    assert len(list(TopologicalSorter(depends_on(source())).static_order())) >= 20


def test_queue_policy_that_refers_to_the_bucket_is_found_as_a_circle() -> None:
    # GIVEN the mistake that the template avoids: the bucket by reference instead of by text
    mistaken = copy.deepcopy(template())
    statements = mistaken["Resources"]["UploadQueuePolicy"]["Properties"]["PolicyDocument"]
    (condition,) = (
        s["Condition"]["ArnEquals"]
        for s in statements["Statement"]
        if "ArnEquals" in s["Condition"]
    )
    condition["aws:SourceArn"] = {"Fn::GetAtt": ["UploadBucket", "Arn"]}
    with pytest.raises(CycleError):
        TopologicalSorter(depends_on(mistaken)).prepare()


def test_every_reference_leads_somewhere() -> None:
    source = template()
    known = set(source["Parameters"]) | set(source["Resources"])
    for section in ("Rules", "Conditions", "Resources", "Outputs"):
        assert references(source[section]) <= known, section


def test_every_condition_that_is_used_is_defined_and_the_other_way_round() -> None:
    source = template()
    used = {
        value
        for section in ("Conditions", "Resources", "Outputs")
        for mapping in walk(source[section])
        for value in ([mapping["Fn::If"][0]] if "Fn::If" in mapping else [mapping.get("Condition")])
        if isinstance(value, str)
    }
    assert used == set(source["Conditions"])


def test_function_moves_to_a_new_endpoint_only_once_it_is_in_service() -> None:
    assert "Endpoint" in depends_on(template())["ClassifyFunction"]


def test_endpoint_waits_for_the_alarms_that_would_roll_it_back() -> None:
    assert {"NewFleetErrorsAlarm", "NewFleetLatencyAlarm"} <= depends_on(template())["Endpoint"]


def test_bucket_s_test_event_finds_the_function() -> None:
    assert {"UploadQueuePolicy", "ClassifyFunction"} <= depends_on(template())["UploadBucket"]
