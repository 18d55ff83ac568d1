"""The docs page in a real browser, under the policy that it is served with: everything loads, nothing is refused."""

import shutil
import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.serving import make_server

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

SHOWN = ("/api/usage/record", "/api/usage/process-billing", "/api/invoices/{invoice_id}")


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """The app on a port of its own."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_the_page_shows_the_operations_and_asks_nobody_else(address: str) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        # Tags are drawn once they are in sight.
        page = browser.new_page(viewport={"width": 1280, "height": 30_000})
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/api/docs")
        for path in SHOWN:
            page.locator(f'.opblock-summary-path[data-path="{path}"]').first.wait_for(timeout=30_000)
        page.locator("#operations-recording-record_usage .opblock-summary").click()
        page.wait_for_selector("#operations-recording-record_usage .try-out", state="attached", timeout=30_000)
        browser.close()
    assert said == []
    assert {url for url in asked if not url.startswith((address, "data:", "blob:"))} == set()
