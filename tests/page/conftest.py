"""A fake API for every test, and one browser for all of them.

Needs the environment `browser` (`make .venv/browser/.stamp`) and Chromium on the PATH.
"""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from playwright.sync_api import Browser, expect, sync_playwright

from tests.page.fake_api import FakeApi
from tests.page.fake_routes import application
from tests.page.visitor import Visitor

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
NO_BROWSER = "no Chromium on the PATH: the page was not tried in a real browser"
DEADLINE_MS = 15_000

expect.set_options(timeout=DEADLINE_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip(NO_BROWSER)
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root in a container.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def api() -> Iterator[FakeApi]:
    api = FakeApi()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        api.port = listener.getsockname()[1]
        config = uvicorn.Config(application(api), log_level="error", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield api
        api.gate.set()
        api.bucket_gate.set()
        server.should_exit = True
        thread.join()


@pytest.fixture
def visitor(browser: Browser, api: FakeApi) -> Iterator[Visitor]:
    """Opens pages; after the test, none of them may have had a fault of its own."""
    visitor = Visitor(browser, api, DEADLINE_MS)
    yield visitor
    visitor.leave()
    assert visitor.faults == []
