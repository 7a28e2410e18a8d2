"""IAM, STS and CloudFormation of an account, as far as finding a role for jobs asks them.

IAM's policy simulator answers as AWS's does for a caller who may use it: an action is allowed by a
statement for every resource that has no condition, because the SDK names no resource and no
context; anything else is definitely denied.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

ROLE = "arn:aws:iam::111122223333:role/jobs"
ALL = "*"
# What jobs need and no more, as training/role.yaml grants it.
STATEMENTS: tuple[dict[str, Any], ...] = (
    {"Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::my-bucket/*"},
    {"Action": ["s3:ListBucket"], "Resource": "arn:aws:s3:::my-bucket"},
    {"Action": ["ecr:GetAuthorizationToken"], "Resource": ALL},
    {"Action": ["logs:CreateLogGroup", "logs:PutLogEvents"], "Resource": "arn:aws:logs:::x"},
    {
        "Action": ["cloudwatch:PutMetricData"],
        "Resource": ALL,
        "Condition": {"StringEquals": {"cloudwatch:namespace": "/aws/sagemaker/TrainingJobs"}},
    },
)


@dataclass
class Account:
    """`stacks` are outputs by stack; `caller` is who asks; `trusted` may assume every role."""

    caller: str = "arn:aws:iam::111122223333:user/developer"
    trusted: str = "sagemaker.amazonaws.com"
    stacks: dict[str, Mapping[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, form: Mapping[str, str]) -> tuple[int, bytes]:
        """HTTP status and XML for a request of the query protocol."""
        action = form["Action"]
        self.asked.append(action)
        if action == "DescribeStacks":
            return self._stack(form["StackName"])
        made: dict[str, str] = {
            "GetCallerIdentity": f"<Arn>{self.caller}</Arn><Account>111122223333</Account>",
            "GetRole": self._role(form.get("RoleName", "")),
            "SimulatePrincipalPolicy": _simulated(form),
        }
        return 200, _xml(action, made[action])

    def _role(self, name: str) -> str:
        trust = {
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Principal": {"Service": self.trusted},
                }
            ]
        }
        return (
            f"<Role><RoleName>{name}</RoleName><Arn>arn:aws:iam::111122223333:role/{name}</Arn>"
            "<Path>/</Path><RoleId>AROAEXAMPLE</RoleId><CreateDate>2026-01-01T00:00:00Z</CreateDate>"
            f"<AssumeRolePolicyDocument>{quote(json.dumps(trust))}</AssumeRolePolicyDocument></Role>"
        )

    def _stack(self, name: str) -> tuple[int, bytes]:
        if name not in self.stacks:
            return 400, (
                "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code>"
                f"<Message>Stack with id {escape(name)} does not exist</Message></Error>"
                "</ErrorResponse>"
            ).encode()
        outputs = "".join(
            f"<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>"
            for key, value in self.stacks[name].items()
        )
        return 200, _xml(
            "DescribeStacks",
            f"<Stacks><member><StackName>{name}</StackName><StackStatus>CREATE_COMPLETE"
            "</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime>"
            f"<Outputs>{outputs}</Outputs></member></Stacks>",
        )


def _simulated(form: Mapping[str, str]) -> str:
    actions = [value for key, value in form.items() if key.startswith("ActionNames.member.")]
    allowed = {
        action
        for statement in STATEMENTS
        if statement["Resource"] == ALL and "Condition" not in statement
        for action in statement["Action"]
    }
    verdicts = {action: "allowed" if action in allowed else "implicitDeny" for action in actions}
    results = "".join(
        f"<member><EvalActionName>{action}</EvalActionName><EvalResourceName>*</EvalResourceName>"
        f"<EvalDecision>{verdict}</EvalDecision></member>"
        for action, verdict in verdicts.items()
    )
    return f"<IsTruncated>false</IsTruncated><EvaluationResults>{results}</EvaluationResults>"


def _xml(action: str, result: str) -> bytes:
    return (
        f"<{action}Response><{action}Result>{result}</{action}Result>"
        f"<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"
    ).encode()
