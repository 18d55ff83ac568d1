"""Every worked example of docs/billing.md and docs/prepaid.md, sent to the API; its figures must be the page's."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.conftest import Clock, Drain
from tests.factories import make_customer, make_usage_type
from tests.support.billing import GRACE, driven
from tests.support.books import scalars
from usage_billing.billing_runs.models import BillingRun
from usage_billing.db.session import transaction

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("billing.md", "prepaid.md")
EXAMPLES = [
    example
    for page in PAGES
    for example in re.findall(
        r"\n([^\n]+)\n\n```http\n(.+?)\n```", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL
    )
]
_UNFINISHED = "SELECT id FROM billing_runs WHERE status NOT IN ('completed', 'failed')"


def told(answer: Any, path: str) -> str:
    """What stands at ``path`` in an answer, as the page writes it."""
    for name in path.split("."):
        answer = answer[int(name)] if isinstance(answer, list) else answer[name]
    return answer if isinstance(answer, str) else json.dumps(answer)


def examples() -> list[Any]:
    """The lines of each example, named by the sentence before it."""
    return [pytest.param(lines.splitlines(), id=says[:60]) for says, lines in EXAMPLES]


@pytest.mark.parametrize("lines", examples())
def test_an_example_holds(lines: list[str], admin: FlaskClient, engine: Engine, clock: Clock, drain: Drain) -> None:
    with transaction(engine) as session:
        make_customer(session, id="ann")
        make_usage_type(session, id="calls")
    answer: Any = None
    compared = 0
    named: dict[str, str] = {}
    for line in lines:
        if found := re.fullmatch(r"=> (\S+) as ([A-Z]+)", line):
            named[found[2]] = told(answer, found[1])
        elif line.startswith("=> "):
            path, figure = line.removeprefix("=> ").split(": ")
            assert told(answer, path) == figure, line
            compared += 1
        elif found := re.fullmatch(r"(GET|POST) (\S+)(?: (.+))?", line):
            method, path, body = found.groups()
            path = "/".join(named.get(part, part) for part in path.split("/"))
            sent = admin.open(path, method=method, json=json.loads(body) if body else None)
            assert sent.status_code < 300, (line, sent.json)
            answer = sent.json
            drain()
            for run_id in scalars(engine, _UNFINISHED):
                driven(engine, BillingRun(id=run_id), grace=GRACE)
            clock.now += timedelta(microseconds=1)
        else:
            clock.now = datetime.fromisoformat(line)
    assert compared


def test_the_pages_have_examples() -> None:
    assert len(EXAMPLES) >= 6
