"""Every alarm and every line of the dashboard names a metric that exists."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.unit.template.cloudformation import ROOT, of_type, template

OBSERVABILITY = ROOT / "functions" / "classify" / "classify" / "observability.py"
OURS = {"Ref": "AWS::StackName"}

# Of AWS's own metrics, those that the template uses, with the dimensions they are published under.
AWS_METRICS = {
    "AWS/SQS": (
        {"QueueName"},
        {
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesVisible",
            "NumberOfMessagesSent",
        },
    ),
    "AWS/Lambda": (
        {"FunctionName"},
        {"ConcurrentExecutions", "Duration", "Errors", "Throttles"},
    ),
    "AWS/SageMaker": (
        {"EndpointName", "VariantName"},
        {
            "Invocation4XXErrors",
            "Invocation5XXErrors",
            "Invocations",
            "ModelLatency",
            "OverheadLatency",
        },
    ),
    "/aws/sagemaker/Endpoints": ({"EndpointName", "VariantName"}, {"CPUUtilization"}),
}


class Metric(NamedTuple):
    where: str
    namespace: Any
    name: str
    dimensions: dict[str, Any]


def function_metrics() -> set[str]:
    """The names in the function's observability module: its upper-case text constants."""
    return {
        node.value.value
        for node in ast.parse(OBSERVABILITY.read_text()).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id.isupper()
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


# Of the endpoint's metrics, those of one fleet, which SageMaker publishes beside the others.
ONE_FLEET = {"EndpointName", "VariantName", "EndpointConfigName"}


def alarms() -> dict[str, dict[str, Any]]:
    return of_type(template(), "AWS::CloudWatch::Alarm")


def alarm_metrics() -> Iterator[Metric]:
    for where, alarm in alarms().items():
        parts = [q["MetricStat"]["Metric"] for q in alarm.get("Metrics", []) if "MetricStat" in q]
        for metric in parts or [alarm]:
            dimensions = {d["Name"]: d["Value"] for d in metric["Dimensions"]}
            yield Metric(where, metric["Namespace"], metric["MetricName"], dimensions)


def dashboard() -> dict[str, Any]:
    body = of_type(template(), "AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]
    widgets: dict[str, Any] = json.loads(body["Fn::Sub"][0])
    return widgets


def dashboard_metrics() -> Iterator[Metric]:
    for widget in dashboard()["widgets"]:
        previous: list[str] = []
        for row in widget["properties"].get("metrics", []):
            names = [part for part in row if isinstance(part, str)]
            if names == ["..."]:
                names = previous
            names = [previous[i] if part == "." else part for i, part in enumerate(names)]
            previous = names
            namespace = OURS if names[0] == "${AWS::StackName}" else names[0]
            dimensions = dict(zip(names[2::2], names[3::2], strict=True))
            yield Metric(widget["properties"]["title"], namespace, names[1], dimensions)


def test_function_emits_the_metrics_that_the_contract_names() -> None:
    assert {"UploadsAnswered", "Classified", "RetriesReported"} <= function_metrics()


def test_every_alarm_and_widget_names_a_metric_that_exists() -> None:
    ours = function_metrics()
    for metric in (*alarm_metrics(), *dashboard_metrics()):
        if metric.namespace == OURS:
            dimensions, names = {"service"}, ours
            assert metric.dimensions["service"] == "classify", metric
        else:
            dimensions, names = AWS_METRICS[metric.namespace]
        assert metric.name in names, metric
        if metric.where.startswith("NewFleet"):
            dimensions = ONE_FLEET
        assert set(metric.dimensions) == dimensions, metric


def test_function_metrics_go_to_the_namespace_that_the_alarms_read() -> None:
    function = of_type(template(), "AWS::Serverless::Function")["ClassifyFunction"]
    variables = function["Environment"]["Variables"]
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == OURS
    assert variables["POWERTOOLS_SERVICE_NAME"] == "classify"


def test_every_promised_alarm_is_there() -> None:
    watched = {metric.name for metric in alarm_metrics()}
    assert watched >= {
        "ApproximateNumberOfMessagesVisible",
        "ApproximateAgeOfOldestMessage",
        "Errors",
        "Throttles",
        "Invocation5XXErrors",
        "ModelLatency",
        "NumberOfMessagesSent",
        "UploadsAnswered",
        "RepeatedRetries",
    }


def test_retries_alarm_rings_at_the_first_minute_and_lasts_over_the_longest_wait() -> None:
    alarm = alarms()["RepeatedRetriesAlarm"]
    assert (alarm["Statistic"], alarm["Threshold"], alarm["Period"]) == ("Sum", 0, 60)
    assert alarm["DatapointsToAlarm"] == 1
    function = of_type(template(), "AWS::Serverless::Function")["ClassifyFunction"]
    longest_wait_s = float(function["Environment"]["Variables"]["LONGEST_WAIT_S"])
    assert alarm["EvaluationPeriods"] * alarm["Period"] > longest_wait_s + 60


def test_alarm_on_crashes_lasts_over_the_longest_wait_of_a_photo_that_ends_the_process() -> None:
    alarm = alarms()["FunctionErrorsAlarm"]
    assert (alarm["Statistic"], alarm["Threshold"], alarm["DatapointsToAlarm"]) == ("Sum", 0, 1)
    function = of_type(template(), "AWS::Serverless::Function")["ClassifyFunction"]
    longest_wait_s = float(function["Environment"]["Variables"]["LONGEST_WAIT_S"])
    assert alarm["EvaluationPeriods"] * alarm["Period"] > longest_wait_s + 60


def mailing_alarms() -> dict[str, dict[str, Any]]:
    """All but those that only roll an update back."""
    return {name: a for name, a in alarms().items() if not name.startswith("NewFleet")}


def test_every_alarm_tells_the_topic_says_what_to_do_and_stays_silent_without_data() -> None:
    topic = {"Fn::If": ["HasAlarmEmail", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]}
    for name, alarm in mailing_alarms().items():
        assert alarm["AlarmActions"] == alarm["OKActions"] == topic, name
        assert alarm["TreatMissingData"] == "notBreaching", name
        assert len(alarm["AlarmDescription"]) > 60, name
        assert alarm["AlarmName"]["Fn::Sub"].startswith("${AWS::StackName}-"), name


def test_unanswered_alarm_defines_every_id_it_uses_and_returns_one_series() -> None:
    queries = alarms()["UploadsUnansweredAlarm"]["Metrics"]
    ids = {query["Id"] for query in queries}
    assert [query["Id"] for query in queries if query["ReturnData"]] == ["unanswered"]
    for query in queries:
        tree = ast.parse(query.get("Expression", "0"), mode="eval")
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert used <= ids | {"DIFF", "FILL"}, query
    assert {q["MetricStat"]["Period"] for q in queries if "MetricStat" in q} == {300}


def unanswered(sent: list[int], answered: list[int], queued: list[int]) -> list[int]:
    """The alarm's expression over series, as CloudWatch would evaluate it."""
    queries = alarms()["UploadsUnansweredAlarm"]["Metrics"]
    expression = next(q["Expression"] for q in queries if q["Id"] == "unanswered")
    values = []
    for now in range(1, len(sent)):
        series = {"sent": sent, "answered": answered, "queued": queued}
        names: dict[str, Any] = {name: _Point(s[now], s[now - 1]) for name, s in series.items()}
        names["DIFF"] = lambda point: point - point.previous
        values.append(int(eval(expression, {"__builtins__": {}}, names)))  # noqa: S307 - our own text
    return values


class _Point(int):
    """A value of a series that remembers the one before it."""

    previous: int

    def __new__(cls, value: int, previous: int) -> _Point:
        point = super().__new__(cls, value)
        point.previous = previous
        return point


def test_photo_answered_in_the_next_period_raises_no_alarm() -> None:
    assert max(unanswered([0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0])) <= 0


def test_steady_traffic_with_answers_trailing_raises_no_alarm() -> None:
    assert max(unanswered([0, 100, 100, 100, 0, 0], [0, 90, 100, 100, 10, 0], [0] * 6)) <= 0


def test_photo_that_waits_in_the_queue_is_left_to_the_other_alarms() -> None:
    assert max(unanswered([0, 1, 0, 0], [0, 0, 0, 1], [0, 1, 1, 1])) <= 0


def test_photos_that_wait_invisibly_for_another_try_count_as_queued() -> None:
    queries = {query["Id"]: query for query in alarms()["UploadsUnansweredAlarm"]["Metrics"]}
    assert queries["queued"]["Expression"] == "FILL(waiting, 0) + FILL(inflight, 0)"
    names = {
        id_: queries[id_]["MetricStat"]["Metric"]["MetricName"] for id_ in ("waiting", "inflight")
    }
    assert names == {
        "waiting": "ApproximateNumberOfMessagesVisible",
        "inflight": "ApproximateNumberOfMessagesNotVisible",
    }


def test_photo_that_vanished_raises_the_alarm_once_its_grace_is_over() -> None:
    assert unanswered([0, 5, 0, 0], [0, 4, 0, 0], [0, 0, 0, 0]) == [-4, 1, 0]


def test_dashboard_shows_every_alarm_and_its_widgets_do_not_overlap() -> None:
    shown = {
        arn.removeprefix("${").removesuffix(".Arn}")
        for widget in dashboard()["widgets"]
        for arn in widget["properties"].get("alarms", [])
    }
    assert shown == mailing_alarms().keys()
    cells = [
        (x, y)
        for w in dashboard()["widgets"]
        for x in range(w["x"], w["x"] + w["width"])
        for y in range(w["y"], w["y"] + w["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
