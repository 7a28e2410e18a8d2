"""The three places where the local cloud reaches into ministack, found and checked in one file.

1. `ministack.app:app`, an ASGI application, which `local.gateway` wraps.
2. `ministack.services.cloudformation.provisioners._RESOURCE_HANDLERS`, a dict from resource type to
   a dict of functions, to which `local.cloudformation` adds.
3. `ministack.services.cognito:_fake_token`, which signs tokens, and here learns of groups.

All are looked up when the cloud starts. A ministack in which one has moved is refused, with the
seam's name.
"""

from __future__ import annotations

import importlib
import inspect
from importlib.metadata import version
from typing import Any

from local.errors import StartError

PINNED = "1.5.33"
_APP = "ministack.app:app"
_HANDLERS = "ministack.services.cloudformation.provisioners:_RESOURCE_HANDLERS"
_TOKENS = "ministack.services.cognito:_fake_token"
_POOLS = "ministack.services.cognito:_get_pool_unscoped"
_TOKEN_PARAMETERS = [
    "sub", "pool_id", "client_id", "token_type", "username", "user_attrs", "groups",
]  # fmt: skip
# The types whose handlers we wrap, and what we rely on in each: these functions, with these leading
# parameters. An update may take the logical id after them.
_WRAPPED = (
    "AWS::CloudWatch::Alarm",
    "AWS::Cognito::UserPoolClient",
    "AWS::DynamoDB::Table",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
)
_PARAMETERS = {
    "create": ["logical_id", "props", "stack_name"],
    "update": ["physical_id", "old_props", "new_props", "stack_name"],
    "delete": ["physical_id", "props"],
}


def asgi_app() -> Any:
    """Seam 1. Import it only once ministack's environment is set: it reads it at import."""
    app = _look_up(_APP)
    if not inspect.iscoroutinefunction(app) or _parameters(app) != ["scope", "receive", "send"]:
        raise _moved(_APP, "it is no longer an ASGI application app(scope, receive, send)")
    return app


def resource_handlers() -> dict[str, dict[str, Any]]:
    """Seam 2."""
    handlers = _look_up(_HANDLERS)
    if not isinstance(handlers, dict):
        raise _moved(_HANDLERS, "it is no longer a dict")
    for resource_type in _WRAPPED:
        functions = handlers.get(resource_type, {})
        for name, expected in _PARAMETERS.items():
            found = _parameters(functions.get(name))[: len(expected)]
            if found != expected:
                raise _moved(_HANDLERS, f"{name} of {resource_type} takes {found}, not {expected}")
    return handlers


def put_groups_into_tokens() -> None:
    """Seam 3. A renewed token names the user's groups, as on AWS and as that of a sign-in."""
    sign, pool_of = _look_up(_TOKENS), _look_up(_POOLS)
    found = _parameters(sign)[: len(_TOKEN_PARAMETERS)]
    if found != _TOKEN_PARAMETERS:
        raise _moved(_TOKENS, f"it takes {found}, not {_TOKEN_PARAMETERS}")
    signature = inspect.signature(sign)

    def with_groups(*given: Any, **named: Any) -> Any:
        call = signature.bind(*given, **named)
        username = call.arguments.get("username")
        if username and not call.arguments.get("groups"):
            user = (pool_of(call.arguments["pool_id"]) or {}).get("_users", {}).get(username, {})
            call.arguments["groups"] = user.get("_groups", [])
        return sign(*call.args, **call.kwargs)

    module, _, name = _TOKENS.partition(":")
    setattr(importlib.import_module(module), name, with_groups)


def _parameters(function: Any) -> list[str]:
    """The parameters' names; none where there is no function."""
    return list(inspect.signature(function).parameters) if callable(function) else []


def _look_up(seam: str) -> Any:
    module, _, attribute = seam.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise _moved(seam, str(error)) from error


def _moved(seam: str, how: str) -> StartError:
    return StartError(
        f"ministack {version('ministack')} does not have the seam {seam} as it was in {PINNED}: "
        f"{how}. "
        "Install the pinned version, or adapt local/seams.py and what builds on it."
    )
