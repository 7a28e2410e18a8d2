"""The List operations: one page of records, filtered and sorted as the request asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.arns import region_of, request_region
from local.errors import AwsError
from local.store import Record

_DEFAULT_PAGE = 10  # AWS's own for these lists
_TOKEN_DIGITS = 9


def page(
    rows: list[Record],
    params: dict[str, Any],
    member: str,
    name_key: str,
    status_key: str | None = None,
    sort_key: Callable[[Record], Any] | None = None,
    default_order: str = "Descending",
) -> dict[str, Any]:
    """One page of the caller's region, as {`member`: rows, "NextToken": ...}.

    `sort_key` beats the request's SortBy. The token is the number of rows before the page.
    Raises AwsError.
    """
    arn_key = name_key.replace("Name", "Arn")
    wanted = [
        row
        for row in rows
        if region_of(row[arn_key]) == request_region.get() and _matches(row, params, name_key)
    ]
    if status_key and (status := params.get("StatusEquals")):
        wanted = [row for row in wanted if row[status_key] == status]
    columns = {"Name": name_key, "Status": status_key}
    column = columns.get(params.get("SortBy", "")) or "CreationTime"
    wanted.sort(
        key=sort_key or (lambda row: row[column]),
        reverse=not params.get("SortOrder", default_order).startswith("Asc"),
    )
    token = params.get("NextToken", "0")
    if not token.isdecimal() or len(token) > _TOKEN_DIGITS:
        raise AwsError("ValidationException", "Invalid NextToken.")
    start = int(token)
    end = start + params.get("MaxResults", _DEFAULT_PAGE)
    return {member: wanted[start:end], "NextToken": str(end) if end < len(wanted) else None}


def _matches(row: Record, params: dict[str, Any], name_key: str) -> bool:
    """Whether the row passes the filters on its name and its times (seconds since 1970)."""
    if params.get("NameContains", "").lower() not in row[name_key].lower():
        return False
    for column in ("CreationTime", "LastModifiedTime"):
        moment: float = row.get(column) or row["CreationTime"]
        if not params.get(f"{column}After", moment) <= moment:
            return False
        if not moment <= params.get(f"{column}Before", moment):
            return False
    return True
