"""What a person does at the page, in a few words."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Browser, Locator, Page, Route

from tests.page.fake_api import FakeApi
from tests.page.rows import Row, classified

_DROP = """(files) => {
  const data = new DataTransfer();
  for (const { name, type, size, base64 } of files) {
    const text = atob(base64 ?? "");
    const bytes = base64 ? Uint8Array.from(text, (one) => one.charCodeAt(0)) : new Uint8Array(size);
    data.items.add(new File([bytes], name, { type }));
  }
  for (const kind of ["dragenter", "dragover", "drop"]) {
    const options = { dataTransfer: data, bubbles: true, cancelable: true };
    document.body.dispatchEvent(new DragEvent(kind, options));
  }
}"""

_HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


class Visitor:
    """One browser; each page that it opens is somebody at another computer."""

    def __init__(self, browser: Browser, api: FakeApi, deadline_ms: int) -> None:
        self._browser = browser
        self._api = api
        self._deadline_ms = deadline_ms
        self._contexts: list[Any] = []
        self.faults: list[str] = []

    def opens(self, query: str = "", *, clock: bool = False, **context: Any) -> Page:
        """A page before sign-in."""
        context.setdefault("viewport", {"width": 1200, "height": 800})
        made = self._browser.new_context(**context)
        made.set_default_timeout(self._deadline_ms)
        self._contexts.append(made)
        page = made.new_page()
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._note)
        if clock:
            page.clock.install()
        page.goto(self._api.url + query)
        return page

    def signs_in(self, query: str = "", **context: Any) -> Page:
        """A page after sign-in, at the view that was asked for."""
        page = self.opens(query, **context)
        sign_in(page)
        return page

    def is_at_one_photo(self) -> tuple[Page, Row]:
        """A page after sign-in with the focus on the only photo, and the photo's row."""
        row = classified(0)
        self._api.put(row)
        page = self.signs_in()
        tiles(page).focus()
        return page, row

    def leave(self) -> None:
        for context in self._contexts:
            context.close()

    def _note(self, message: Any) -> None:
        """What the policy forbids is a fault; an answer such as 401 is none."""
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.faults.append(message.text)


def hold_back(page: Page, address: str) -> Callable[[], None]:
    """Requests of this address wait. Who calls what this gives waits for one, and lets all go."""
    held: list[Route] = []
    # Not list.append itself: Playwright cannot wrap what is built in.
    page.route(address, lambda route: held.append(route))

    def let_go() -> None:
        wait_until(page, lambda: bool(held))
        for route in held:
            route.continue_()

    return let_go


def sign_in(page: Page) -> None:
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Go on").click()
    page.locator(".views a[aria-current]").wait_for()


def tiles(page: Page) -> Locator:
    return page.get_by_role("listbox", name="Photos").get_by_role("option")


def drop(page: Page, *files: tuple[str, str, int | bytes]) -> None:
    """Name, content type, and content or size of each."""
    described: list[dict[str, str | int]] = []
    for name, kind, content in files:
        told: dict[str, str | int] = {"name": name, "type": kind}
        if isinstance(content, int):
            told["size"] = content
        else:
            told["base64"] = base64.b64encode(content).decode()
        described.append(told)
    page.evaluate(_DROP, described)


def stop_the_clock(page: Page) -> None:
    """From here on, time passes in the page only by `page.clock.run_for`."""
    page.clock.pause_at(page.evaluate("Date.now()") + 1_000)


def hide(page: Page, hidden: bool) -> None:
    """As if another tab came in front, or went."""
    page.evaluate(_HIDE, hidden)


def wait_until(page: Page, condition: Callable[[], object], deadline_s: float = 15) -> None:
    """For what the page does not show. Playwright goes on meanwhile."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        page.wait_for_timeout(20)


def pass_time(page: Page, milliseconds: int, condition: Callable[[], object]) -> None:
    """So much of the page's time, and the condition is true. The time begins anew where the page
    was looking already as it began: it looks again only after that.
    """
    wait_until(page, lambda: page.clock.run_for(milliseconds) or condition())
