"""Hours of the day: open, closed, over midnight, and on the days that change the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lister.window import Window


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "now", "wait_s"),
    [
        ("02:00-06:00", "2026-11-26 02:00:00", 0),
        ("02:00-06:00", "2026-11-26 05:59:59", 0),
        ("02:00-06:00", "2026-11-26 06:00:00", 20 * 3600),
        ("02:00-06:00", "2026-11-26 01:59:59", 1),
        ("22:00-04:00", "2026-11-26 23:00:00", 0),
        ("22:00-04:00", "2026-11-26 03:00:00", 0),
        ("22:00-04:00", "2026-11-26 04:00:00", 18 * 3600),
        ("22:00-04:00", "2026-11-26 12:00:00", 10 * 3600),
        ("22:00-04:00", "2026-11-26 21:59:58.250000", 2),
        ("02:00-06:00 Europe/Berlin", "2026-11-26 01:30:00", 0),
        ("02:00-06:00 Europe/Berlin", "2026-07-26 03:30:00", 0),
        ("02:00-06:00 Europe/Berlin", "2026-07-26 04:30:00", 19 * 3600 + 1800),
        # The night in which Berlin's clocks jump from 2 to 3: it opens at 1:00 UTC all the same.
        ("03:00-06:00 Europe/Berlin", "2026-03-28 23:00:00", 2 * 3600),
    ],
)
def test_wait_until_it_opens(window: str, now: str, wait_s: int) -> None:
    waits = Window.parse(window).wait_s(at(now))
    # Step Functions waits for whole seconds.
    assert (waits, type(waits)) == (wait_s, int)


@pytest.mark.parametrize(
    ("window", "hours"), [("02:00-06:00", 4), ("22:00-04:30", 6.5), ("00:00-23:59", 23 + 59 / 60)]
)
def test_hours_a_day(window: str, hours: float) -> None:
    assert Window.parse(window).hours == pytest.approx(hours)


@settings(deadline=None)
@given(
    moment=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
    zone=st.sampled_from(["", " Europe/Berlin", " America/New_York", " Asia/Kolkata"]),
    hours=st.lists(st.integers(0, 23), min_size=2, max_size=2, unique=True),
)
def test_after_the_wait_it_is_open_or_opens_at_once(
    moment: datetime, zone: str, hours: list[int]
) -> None:
    window = Window.parse("{:02}:00-{:02}:00".format(*hours) + zone)
    now = moment.replace(tzinfo=UTC)
    waited = now + timedelta(seconds=window.wait_s(now))
    again = window.wait_s(waited)
    # An hour that the clock skips may cost one more wait, at most a day long.
    if again:
        assert again <= 24 * 3600
        assert changes_clock(window.zone, waited)


def changes_clock(zone: ZoneInfo, moment: datetime) -> bool:
    """On that day or the next."""
    offsets = {(moment + timedelta(days=d)).astimezone(zone).utcoffset() for d in (-1, 0, 1)}
    return len(offsets) > 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("at night", "it looks like 02:00-06:00"),
        ("02:00-02:00", "opens and closes at the same time"),
        ("25:00-26:00", "hour"),
        ("02:00-06:00 Europe/Atlantis", "Europe/Atlantis"),
        ("02:00-06:00 ../../etc/passwd", "WINDOW"),
        ("02:00-06:00 America", "WINDOW"),
    ],
)
def test_what_is_no_window_is_told_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Window.parse(text)
