"""backfill/template.yaml: what the lister and its loop may do, and what the numbers follow from."""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.unit.template.cloudformation import (
    ROOT,
    listed,
    parse,
    references,
    statements,
    template,
    walk,
)


@cache
def stack() -> dict[str, Any]:
    return parse((ROOT / "backfill" / "template.yaml").read_text())


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = stack()["Resources"][name]["Properties"]
    return found


def granted(role: str) -> dict[str, tuple[set[str], list[Any]]]:
    """Sid -> actions and resources."""
    return {
        s.sid: (set(listed(s.body["Action"])), listed(s.body["Resource"]))
        for s in statements(stack())
        if s.resource == role and s.sid
    }


def test_lister_may_do_what_it_calls_and_no_more() -> None:
    assert {sid: actions for sid, (actions, _) in granted("ListerRole").items()} == {
        "ListPhotos": {"s3:ListBucket"},
        "SeeWhatIsAnswered": {"dynamodb:BatchGetItem", "dynamodb:Scan"},
        "ListRows": {"dynamodb:Query"},
        "SendToTheLane": {"sqs:SendMessage", "sqs:GetQueueAttributes"},
        "WriteLogs": {"logs:CreateLogStream", "logs:PutLogEvents"},
        "SendTraces": {"xray:PutTraceSegments", "xray:PutTelemetryRecords"},
    }


def test_lister_can_neither_read_a_photo_nor_change_a_row() -> None:
    actions = {action for allowed, _ in granted("ListerRole").values() for action in allowed}
    assert not {a for a in actions if a.startswith("s3:")} - {"s3:ListBucket"}
    assert not any(word in action for action in actions for word in ("Put", "Update", "Delete")
                   if action.startswith("dynamodb:"))  # fmt: skip


def test_loop_calls_the_lister_and_starts_itself() -> None:
    found = granted("MachineRole")
    assert found["TakeTurns"] == (
        {"lambda:InvokeFunction"},
        [{"Fn::GetAtt": ["ListerFunction", "Arn"]}],
    )
    (itself,) = found["GoOnAsANewExecution"][1]
    assert itself == properties("Machine")["DefinitionSubstitutions"]["Itself"]
    assert itself["Fn::Sub"].endswith(":stateMachine:${AWS::StackName}")
    assert properties("Machine")["StateMachineName"] == {"Ref": "AWS::StackName"}


def test_only_what_has_no_resource_is_starred() -> None:
    starred = {
        (role, sid)
        for role in ("ListerRole", "MachineRole")
        for sid, (_, resources) in granted(role).items()
        if "*" in resources
    }
    assert starred == {
        ("ListerRole", "SendTraces"),
        ("MachineRole", "SendTraces"),
        ("MachineRole", "DeliverLogs"),
    }


def test_roles_are_for_their_services_alone() -> None:
    for role, service in (("ListerRole", "lambda"), ("MachineRole", "states")):
        (statement,) = properties(role)["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": f"{service}.amazonaws.com"}


def test_bucket_besides_is_listed_only_where_there_is_one() -> None:
    own, other = granted("ListerRole")["ListPhotos"][1]
    assert references(own) == {"Bucket"}
    assert other["Fn::If"][0] == "HasSource"


def test_log_has_no_key_of_a_photo() -> None:
    assert properties("Machine")["LoggingConfiguration"]["IncludeExecutionData"] is False


def test_reading_begins_only_while_there_is_time_for_it() -> None:
    text = (ROOT / "functions" / "lister" / "lister" / "handler.py").read_text()
    assert "READ_RESERVE_MS = 60_000" in text
    assert properties("ListerFunction")["Timeout"] == 2 * 60


def test_function_runs_in_what_the_classifier_s_runs_in() -> None:
    for name in ("FunctionRuntime", "LogRetentionDays"):
        mine, theirs = stack()["Parameters"][name], template()["Parameters"][name]
        assert mine["AllowedValues"] == theirs["AllowedValues"]


def test_every_reference_leads_somewhere() -> None:
    known = (
        set(stack()["Parameters"]) | set(stack()["Resources"]) | {"Lister", "Itself", "Partition"}
    )
    for part in ("Conditions", "Resources", "Outputs"):
        assert references(stack()[part]) <= known


def test_every_placeholder_of_the_loop_is_filled_in() -> None:
    machine = properties("Machine")
    text = " ".join(
        value for node in walk(machine["Definition"]) for value in node.values()
        if isinstance(value, str)
    )  # fmt: skip
    named = {part.split("}")[0] for part in text.split("${")[1:]}
    assert named == set(machine["DefinitionSubstitutions"])
