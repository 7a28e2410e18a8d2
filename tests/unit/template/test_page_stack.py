"""page/template.yaml: who may come in, what the function may do, what outlives the stack."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.unit.template.cloudformation import (
    ROOT,
    listed,
    of_type,
    parse,
    references,
    statements,
    template,
    walk,
)


@cache
def page() -> dict[str, Any]:
    return parse((ROOT / "page" / "template.yaml").read_text())


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = page()["Resources"][name]["Properties"]
    return found


def granted() -> dict[str, tuple[set[str], list[str]]]:
    """Sid -> actions and resources, these as text."""
    return {
        s.sid: (set(listed(s.body["Action"])), [str(each) for each in listed(s.body["Resource"])])
        for s in statements(page())
        if s.resource == "ApiRole" and s.sid
    }


def test_function_may_do_what_it_calls_and_no_more() -> None:
    assert {sid: actions for sid, (actions, _) in granted().items()} == {
        "ReadRowsAndMarkReviews": {"dynamodb:GetItem", "dynamodb:UpdateItem"},
        "ListRows": {"dynamodb:Query"},
        "AppendReviews": {"dynamodb:PutItem", "dynamodb:Query"},
        "KeepCounts": {"dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
        "ReadDeployments": {"dynamodb:Query"},
        "ReadDrift": {"dynamodb:Query"},
        "LetPhotosBeSeen": {"s3:GetObject", "s3:GetObjectVersion"},
        "LetPhotosBeUploaded": {"s3:PutObject"},
        "SignCursors": {"secretsmanager:GetSecretValue"},
        "WriteLogs": {"logs:CreateLogStream", "logs:PutLogEvents"},
        "SendTraces": {"xray:PutTraceSegments", "xray:PutTelemetryRecords"},
    }


def test_statements_name_their_resources() -> None:
    starred = {sid for sid, (_, resources) in granted().items() if "*" in resources}
    assert starred == {"SendTraces"}, "X-Ray's write actions have no resource type"


def test_reviews_can_be_appended_and_never_changed() -> None:
    on_reviews = {
        action
        for actions, resources in granted().values()
        for action in actions
        if any("-reviews" in each or each.endswith("table/*") for each in resources)
    }
    assert on_reviews == {"dynamodb:PutItem", "dynamodb:Query"}


@pytest.mark.parametrize("name", ["ReviewsTable", "TalliesTable"])
def test_what_people_said_outlives_the_stack(name: str) -> None:
    table = page()["Resources"][name]
    assert table["DeletionPolicy"] == "RetainExceptOnCreate"
    assert table["UpdateReplacePolicy"] == "Retain"
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {
        "PointInTimeRecoveryEnabled": True
    }
    assert table["Properties"]["SSESpecification"] == {"SSEEnabled": True}


def test_function_finds_its_tables_by_the_names_that_the_stack_gives_them() -> None:
    variables = properties("ApiFunction")["Environment"]["Variables"]
    for variable, name in (("REVIEWS_TABLE", "ReviewsTable"), ("TALLIES_TABLE", "TalliesTable")):
        assert variables[variable] == properties(name)["TableName"]


def test_nobody_signs_up_and_passwords_are_strong() -> None:
    pool = properties("Users")
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    policy = pool["Policies"]["PasswordPolicy"]
    assert policy["MinimumLength"] >= 12
    kinds = ("Lowercase", "Uppercase", "Numbers", "Symbols")
    assert all(policy[f"Require{kind}"] for kind in kinds)
    assert pool["MfaConfiguration"] == "OPTIONAL"


def test_first_person_reviews() -> None:
    assert properties("FirstPerson")["Username"] == {"Ref": "Email"}
    assert properties("FirstPersonReviews")["GroupName"] == {"Ref": "Reviewers"}
    assert properties("Reviewers")["GroupName"] == "reviewers"


def test_page_has_a_code_and_no_secret_and_programs_the_other_way_round() -> None:
    clients = of_type(page(), "AWS::Cognito::UserPoolClient")
    kinds = {
        name: (client["GenerateSecret"], client["AllowedOAuthFlows"])
        for name, client in clients.items()
    }
    assert kinds == {
        "PageClient": (False, ["code"]),
        "ProgramClient": (True, ["client_credentials"]),
    }
    for client in clients.values():
        # No client takes a password itself.
        assert client["ExplicitAuthFlows"] == ["ALLOW_REFRESH_TOKEN_AUTH"]
    assert page()["Resources"]["ProgramClient"]["Condition"] == "HasPrograms"
    assert page()["Parameters"]["ProgramAccess"]["Default"] == "no"


def test_cookie_lasts_as_long_as_its_token() -> None:
    client = properties("PageClient")
    assert client["TokenValidityUnits"]["RefreshToken"] == "hours"
    text = (ROOT / "functions" / "api" / "api" / "sessions.py").read_text()
    assert f"REFRESH_VALID_S = {client['RefreshTokenValidity']} * 3600" in text


def test_requests_are_throttled_and_those_without_a_token_more() -> None:
    stage = properties("Stage")
    every = stage["DefaultRouteSettings"]
    assert 0 < every["ThrottlingRateLimit"] <= every["ThrottlingBurstLimit"] <= 100
    for route in ("POST /session", "POST /session/refresh"):
        assert stage["RouteSettings"][route]["ThrottlingRateLimit"] < every["ThrottlingRateLimit"]
    routes = {
        name
        for name, route in of_type(page(), "AWS::ApiGatewayV2::Route").items()
        if route["RouteKey"] in stage["RouteSettings"]
    }
    assert routes == set(page()["Resources"]["Stage"]["DependsOn"])


def test_access_log_holds_no_query_and_no_header() -> None:
    settings = properties("Stage")["AccessLogSettings"]
    assert references(settings["DestinationArn"]) == {"AccessLogGroup"}
    for word in ("query", "header", "authorizer.claims.username", "rawPath"):
        assert word not in settings["Format"]


def test_gateway_waits_a_little_longer_than_the_function_may_run() -> None:
    timeout_s = properties("ApiFunction")["Timeout"]
    assert properties("Integration")["TimeoutInMillis"] == (timeout_s + 1) * 1000 <= 30_000


def test_every_reference_leads_somewhere() -> None:
    source = page()
    known = set(source["Parameters"]) | set(source["Resources"])
    for section in ("Conditions", "Resources", "Outputs"):
        assert references(source[section]) <= known, section
    used = {mapping.get("Condition") for mapping in walk(source["Resources"])} - {None}
    used |= {mapping["Fn::If"][0] for mapping in walk(source["Resources"]) if "Fn::If" in mapping}
    assert {name for name in used if isinstance(name, str)} == set(source["Conditions"])


def test_bucket_lets_the_page_upload_and_nothing_else_from_a_browser() -> None:
    bucket = of_type(template(), "AWS::S3::Bucket")["UploadBucket"]
    (rule,) = bucket["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedMethods"] == ["POST"]
    assert rule["AllowedOrigins"] == [
        {"Fn::Sub": "https://*.execute-api.${AWS::Region}.${AWS::URLSuffix}"}
    ]
