"""A real nginx with the configuration of deploy/nginx.conf, before a real API."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.sources import ROOT
from tests.support.programs import find_program
from usage_billing.embedded.ports import LOOPBACK, free_port

CONFIGURATION = ROOT / "deploy" / "nginx.conf"
START_SECONDS = 20
# What a distribution's nginx.conf has around the file, with every path in the test's own folder.
MAIN = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/usage-billing.conf;
}}
"""


@contextmanager
def nginx(folder: Path, *, upstream: int, knock: str = "/health/live") -> Iterator[str]:
    """The gateway before a service on port ``upstream``; gives its address. Only addresses are changed.

    ``knock`` is asked for until something answers.
    """
    program, port = find_program("nginx", "nginx-light"), free_port()
    text = CONFIGURATION.read_text(encoding="utf-8")
    for old, new in (("payment-service:5003", f"{LOOPBACK}:{upstream}"), ("listen 80;", f"listen {LOOPBACK}:{port};")):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "usage-billing.conf").write_text(text, encoding="utf-8")
    user = "user root;" if os.geteuid() == 0 else ""
    main = folder / "nginx.conf"
    main.write_text(MAIN.format(folder=folder, user=user), encoding="utf-8")
    command = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(main)]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    with running(command, f"http://{LOOPBACK}:{port}", knock=knock) as address:
        yield address


@contextmanager
def api(port: int) -> Iterator[str]:
    """The API on ``port``, as it is served in earnest; its settings are those of the environment."""
    command = [
        *(sys.executable, "-m", "gunicorn", "-c", "python:api.gunicorn_config"),
        *("--bind", f"{LOOPBACK}:{port}", "--threads", "4", "web:create_app()"),
    ]
    with running(command, f"http://{LOOPBACK}:{port}") as address:
        yield address


@contextmanager
def running(command: list[str], address: str, *, knock: str = "/health/live") -> Iterator[str]:
    """A process that answers HTTP at ``address``, until the block ends."""
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        _wait(process, address + knock)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError:
            return  # it answers, whatever it says
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"{process.args} does not answer after {START_SECONDS} s")


class Answer:
    """What came back: ``status``, ``headers``, ``body`` as bytes."""

    def __init__(self, response: Any) -> None:
        self.status: int = response.status
        self.headers = response.headers
        self.body: bytes = response.read()


def call(url: str, data: bytes | None = None, **headers: str) -> Answer:
    """GET, or POST of ``data`` as JSON; an underscore in a header's name is a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if data is not None:
        named.setdefault("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=named), timeout=30) as response:
            return Answer(response)
    except urllib.error.HTTPError as error:
        return Answer(error)
