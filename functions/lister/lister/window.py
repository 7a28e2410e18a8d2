"""The hours in which a job may send: `02:00-06:00`, or `22:00-04:00 Europe/Berlin`."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_FORM = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)(?: (\S+))?")


@dataclass(frozen=True)
class Window:
    """From `opens` to `closes` on the clock of a zone; over midnight where it closes earlier."""

    opens: time
    closes: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> "Window":
        """Raises ValueError in words for whoever typed it."""
        found = _FORM.fullmatch(text.strip())
        if not found:
            raise ValueError(
                f"WINDOW={text}: it looks like 02:00-06:00 or 02:00-06:00 Europe/Berlin"
            )
        *numbers, name = found.groups()
        hour, minute, to_hour, to_minute = map(int, numbers)
        try:
            opens, closes = time(hour, minute), time(to_hour, to_minute)
            zone = ZoneInfo(name or "UTC")
        except (ValueError, OSError, ZoneInfoNotFoundError) as error:
            raise ValueError(f"WINDOW={text}: {error}") from error
        if opens == closes:
            raise ValueError(f"WINDOW={text}: it opens and closes at the same time")
        return cls(opens, closes, zone)

    @property
    def hours(self) -> float:
        """How long it is open a day."""
        minutes = [60 * each.hour + each.minute for each in (self.opens, self.closes)]
        return (minutes[1] - minutes[0]) % (24 * 60) / 60

    def wait_s(self, now: datetime) -> int:
        """Seconds until it opens; 0 while it is open. Right on days that change the clock, too."""
        here = now.astimezone(self.zone)
        clock = here.time()
        if self.opens < self.closes:
            is_open = self.opens <= clock < self.closes
        else:
            is_open = clock >= self.opens or clock < self.closes
        if is_open:
            return 0
        day = here.date() if clock < self.opens else here.date() + timedelta(days=1)
        opening = datetime.combine(day, self.opens, self.zone)
        return max(1, -(-(opening.astimezone(UTC) - now.astimezone(UTC)) // timedelta(seconds=1)))
