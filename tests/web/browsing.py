"""A real Chromium on the application: what it says, what it asks for, and what axe-core finds."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = Path(__file__).parents[1] / "support" / "vendor" / "axe-4.14.1.min.js"
SCHEMES = ("light", "dark")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@dataclass
class Browsing:
    """A browser, the address of the application, what the console said, and which addresses were asked for."""

    browser: Any
    address: str
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def page(self, *, scheme: str = "light", width: int = 1280, script: bool = True, **options: Any) -> Any:
        """A page of a browser of its own; all it says and asks for is remembered."""
        context = self.browser.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
            java_script_enabled=script,
            base_url=self.address,
            reduced_motion="reduce",
            **options,
        )
        page = context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        return page

    @property
    def foreign(self) -> list[str]:
        """Addresses that are not the application's."""
        return [url for url in self.asked if not url.startswith((self.address, "data:"))]

    def _hear(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.said.append(f"{message.text} {message.location.get('url', '')}")


@contextmanager
def browsing(app: Flask) -> Iterator[Browsing]:
    """The application on a port of its own, and Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            yield Browsing(browser, f"http://127.0.0.1:{server.server_port}")
            browser.close()
    finally:
        server.shutdown()
        thread.join()


def violations(page: Any) -> list[str]:
    """What axe-core finds on a page: WCAG 2.2 A and AA, and best practice. It is run past the page's own policy."""
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = session.send(
        "Runtime.evaluate",
        {
            "expression": f"axe.run(document, {{runOnly: {tags}}}).then(r => r.violations.map(v =>"
            " v.id + ': ' + v.nodes.map(n => n.target.join(' ') + ' ' + n.failureSummary).join(' | ')))",
            "awaitPromise": True,
            "returnByValue": True,
        },
    )
    result: list[str] = found["result"]["value"]
    return result


def overflows(page: Any) -> bool:
    """Whether the page itself scrolls sideways."""
    return bool(page.evaluate("() => document.documentElement.scrollWidth > document.documentElement.clientWidth"))
