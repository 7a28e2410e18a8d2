"""What the nightly watch has written, as the page gets it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from api import handler
from drift import table
from drift.core import BASELINE_PHOTOS, Ports, look_at

from rigs.rows import make_row
from tests.unit.api.world import ONLOOKER, World, real_resource

FIRST = date(2026, 11, 1)
PHOTOS = BASELINE_PHOTOS


def watch(day: date, **changes: Any) -> None:
    """As functions/drift does at night, of as many photos as a baseline needs."""
    kept = real_resource().Table("photos-drift")
    rows = [
        make_row(f"uploads/{day}-{number}.jpg", at=datetime(2026, 11, 1)) | changes
        for number in range(PHOTOS)
    ]
    ports = Ports(
        rows=lambda _day: rows,
        reviewed=lambda _first, _last: [],
        day=lambda asked: table.get(kept, table.DAY, asked.isoformat()),
        put_day=lambda asked, item: table.put(kept, table.DAY, asked.isoformat(), item),
        baseline=lambda model: table.get(kept, table.BASELINE, model),
        put_baseline=lambda model, item: table.put(kept, table.BASELINE, model, item),
    )
    look_at(day, ports)


def test_days_come_newest_first_with_what_was_found_in_words(world: World) -> None:
    watch(FIRST)
    watch(FIRST + timedelta(days=1))
    watch(FIRST + timedelta(days=2), width=64, height=64)

    body = world.get("/drift").body

    assert body["watched"] is True
    changed, same, learned = body["items"]
    assert [day["state"] for day in body["items"]] == ["drift", "quiet", "learning"]
    assert [day["day"] for day in body["items"]] == ["2026-11-03", "2026-11-02", "2026-11-01"]
    assert (same["photos"], same["expected"], same["audited"]) == (PHOTOS, 0.7, None)
    assert learned["psi"] == {}
    assert same["psi"]["pixels"] < 0.1 < changed["psi"]["pixels"]
    (finding,) = changed["findings"]
    assert finding["words"].startswith("Photos have become smaller, in pixels")
    assert len(finding["examples"]) == 12
    assert "counts" not in changed


def test_same_days_are_not_sent_twice(world: World) -> None:
    watch(FIRST)
    first = world.get("/drift")
    again = world.ask("GET", "/drift", headers={"if-none-match": first.headers["etag"]})
    assert again.status == 304


def test_who_may_only_look_sees_it(world: World) -> None:
    assert world.ask("GET", "/drift", ONLOOKER).status == 200


def test_without_a_watch_there_is_nothing_and_it_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(world.services.settings, drift_table="")
    monkeypatch.setattr(handler, "SERVICES", replace(world.services, settings=settings))
    assert world.get("/drift").body == {"watched": False, "items": []}


def test_parameter_that_is_none_is_refused(world: World) -> None:
    assert world.get("/drift", day="2026-11-01").status == 400
