"""A JSON object read member by member: each has to be there, of its kind, and known."""

import json
from typing import Any

# Whole numbers below it are exact in every reader of JSON (RFC 8259, 6).
BEYOND = 2**53


class JsonObject:
    """Hands out members by kind; `name` stands before theirs in messages. Raises ValueError."""

    def __init__(self, content: object, name: str = "") -> None:
        if not isinstance(content, dict):
            raise ValueError(f"expected a JSON object{f' at {name}' if name else ''}")
        self._left = dict(content)
        self._prefix = f"{name}." if name else ""

    @classmethod
    def parse(cls, text: str) -> "JsonObject":
        """The object that a text holds."""
        try:
            return cls(json.loads(text))
        except RecursionError as error:
            raise ValueError("is nested too deeply") from error

    def text(self, name: str) -> str:
        """A string that can be written as UTF-8 again, which one with half a surrogate cannot."""
        return self._text(self._take(name), name)

    def whole(self, name: str) -> int:
        """A whole number."""
        return self._whole(self._take(name), name)

    def number(self, name: str) -> float:
        """A finite number, whole or not: as it stands in the file."""
        return self._number(self._take(name), name)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(self._text(value, name) for value in self._list(name))

    def wholes(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        return tuple(self._whole(value, name) for value in self._list(name))

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of finite numbers."""
        return tuple(self._number(value, name) for value in self._list(name))

    def member(self, name: str) -> "JsonObject":
        """An object."""
        return JsonObject(self._take(name), self._prefix + name)

    def member_or_none(self, name: str) -> "JsonObject | None":
        """An object, or null."""
        value = self._take(name)
        return None if value is None else JsonObject(value, self._prefix + name)

    def has(self, name: str) -> bool:
        """Whether the member is there, and has not been taken."""
        return name in self._left

    def rest(self) -> dict[str, Any]:
        """What has not been taken, whatever it is."""
        left, self._left = self._left, {}
        return left

    def end(self) -> None:
        """Nothing may be left."""
        for name in self._left:
            raise ValueError(f"{self._prefix}{name} is not known here")

    def _take(self, name: str) -> object:
        if name not in self._left:
            raise ValueError(f"{self._prefix}{name} is missing")
        return self._left.pop(name)

    def _list(self, name: str) -> list[object]:
        value = self._take(name)
        if not isinstance(value, list):
            raise self._wrong(name, value, "a list")
        return value

    def _text(self, value: object, name: str) -> str:
        if not isinstance(value, str) or not _is_unicode(value):
            raise self._wrong(name, value, "text")
        return value

    def _whole(self, value: object, name: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= BEYOND:
            raise self._wrong(name, value, "a whole number")
        return value

    def _number(self, value: object, name: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(name, value, "a number")
        if not abs(value) < BEYOND:  # which is false for not-a-number, too
            raise self._wrong(name, value, "a finite number")
        return value

    def _wrong(self, name: str, value: object, wanted: str) -> ValueError:
        shown = json.dumps(value)
        shown = shown if len(shown) <= 40 else shown[:37] + "..."
        return ValueError(f"{self._prefix}{name} holds {shown}, expected {wanted}")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
