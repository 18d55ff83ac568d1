"""The documentation that the service serves itself, and the table of problems that it must keep whole."""

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from api.problem_codes import CODES

ROOT = Path(__file__).parents[2]
# code="..." of an error, the class attribute, and the last text of the small error helpers.
_SPELLED = (
    re.compile(r'code\s*=\s*"([a-z_0-9]+)"'),
    re.compile(r'(?:wrong|_Wrong|FieldError|CodedText|_add)\((?:[^()]|\([^()]*\))*"([a-z_]+)"\s*\)'),
)
# Said by the CLI and the embedded servers, which no request meets.
_NOT_OVER_HTTP = {"configuration_error", "home_in_use", "unreachable"}


def test_every_code_in_use_is_explained() -> None:
    used: set[str] = set()
    for folder in ("api", "usage_billing", "tasks"):
        for path in (ROOT / folder).rglob("*.py"):
            if "cli" in path.parts or "doctor" in path.parts or "verify" in path.parts:
                continue
            for pattern in _SPELLED:
                used |= set(pattern.findall(path.read_text()))
    assert used - _NOT_OVER_HTTP - CODES.keys() == set()


def test_the_document_lists_what_the_page_shows() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", (ROOT / "docs" / "problems.md").read_text(), re.MULTILINE)
    assert dict(rows) == CODES
    assert len(rows) == len(CODES)


def test_the_page_explains_every_code(client: FlaskClient) -> None:
    page = client.get("/api/docs/problems").get_data(as_text=True)
    assert set(re.findall(r'<dt id="(\w+)">', page)) == CODES.keys()


def test_the_page_needs_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/api/docs").get_data(as_text=True)
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert links
    for link in links:
        assert link.startswith("/api/")
        assert client.get(link).status_code == 200
    assert re.search(r"<script(?![^>]*\bsrc=)", page) is None
    assert " onclick" not in page


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "index.html", "docs.html", "%00", "swagger-ui.css.map"])
def test_only_named_assets_are_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/api/docs/assets/{name}").status_code == 404
