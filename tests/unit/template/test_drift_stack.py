"""operate/drift.yaml: what the watch on drift may do, and when it runs."""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.unit.template.cloudformation import ROOT, Statement, listed, parse, statements

PREDICTIONS = (
    "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${PredictionsTable}"
)


@cache
def stack() -> dict[str, Any]:
    return parse((ROOT / "operate" / "drift.yaml").read_text())


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = stack()["Resources"][name]["Properties"]
    return found


def granted() -> dict[str, Statement]:
    return {s.sid: s for s in statements(stack()) if s.resource == "DriftRole" and s.sid}


def test_watch_may_do_what_it_calls_and_no_more() -> None:
    assert {sid: set(listed(s.body["Action"])) for sid, s in granted().items()} == {
        "ReadRowsOfADay": {"dynamodb:Query"},
        "KeepDays": {"dynamodb:GetItem", "dynamodb:PutItem"},
        "PublishFigures": {"cloudwatch:PutMetricData"},
        "WriteLogs": {"logs:CreateLogStream", "logs:PutLogEvents"},
        "SendTraces": {"xray:PutTraceSegments", "xray:PutTelemetryRecords"},
        "MailFindings": {"sns:Publish"},
        "EncryptMails": {"kms:Decrypt", "kms:GenerateDataKey"},
    }


def test_watch_reads_rows_by_two_indexes_and_writes_to_its_own_table_alone() -> None:
    assert granted()["ReadRowsOfADay"].body["Resource"] == [
        {"Fn::Sub": f"{PREDICTIONS}/index/{name}"} for name in ("by-month", "reviewed")
    ]
    assert granted()["KeepDays"].body["Resource"] == {"Fn::GetAtt": ["DriftTable", "Arn"]}


def test_only_what_has_no_arn_is_granted_on_everything() -> None:
    anywhere = {sid for sid, s in granted().items() if "*" in listed(s.body["Resource"])}
    assert anywhere == {"PublishFigures", "SendTraces"}
    assert granted()["PublishFigures"].body["Condition"] == {
        "StringEquals": {"cloudwatch:namespace": {"Ref": "Stack"}}
    }


def test_without_an_address_nothing_is_mailed() -> None:
    mail = properties("DriftRole")["Policies"][1]["Fn::If"]
    assert mail[0] == "Mails"
    assert mail[2] == {"Ref": "AWS::NoValue"}
    topic = properties("DriftFunction")["Environment"]["Variables"]["TOPIC_ARN"]["Fn::If"]
    assert (topic[0], topic[2]) == ("Mails", "")


def test_night_that_fails_three_times_rings() -> None:
    alarm = properties("DriftErrorsAlarm")
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", "Errors")
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "DriftFunction"}}]
    # Lambda tries an event three times, and each may take until the time-out.
    tries = alarm["Threshold"]
    assert tries == 3
    assert alarm["Period"] > tries * properties("DriftFunction")["Timeout"]
    # The classifier's topic lets alarms in whose names begin with that stack's.
    assert alarm["AlarmName"] == {"Fn::Sub": "${AWS::StackName}-errors"}
    mailed = alarm["AlarmActions"]["Fn::If"]
    assert (mailed[0], mailed[2]) == ("Mails", {"Ref": "AWS::NoValue"})
    assert mailed[1][0]["Fn::Sub"].endswith(":${Stack}-alarms")


def test_schedules_of_two_stacks_have_two_names() -> None:
    nightly = properties("DriftFunction")["Events"]["Nightly"]["Properties"]
    assert nightly["Name"] == {"Fn::Sub": "${AWS::StackName}-nightly"}
    # After midnight in UTC, when the day before has all its rows.
    assert nightly["Schedule"] == "cron(20 0 * * ? *)"
