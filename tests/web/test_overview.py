"""The overview shows the API's figures."""

from datetime import datetime

from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.factories import make_recording, record
from tests.web.conftest import OpenPortal
from usage_billing.db.session import transaction


def test_its_figures_are_the_apis(
    world: None, engine: Engine, now: datetime, portal: OpenPortal, reader: FlaskClient
) -> None:
    with transaction(engine) as session:
        record(session, *(make_recording(now=now) for _ in range(53)))
    page = portal().get("/portal").text
    usage = reader.get("/api/usage/user/user123").json
    assert usage is not None
    line = next(one for one in usage["usage"] if one["usageType"] == "assessment")
    assert line["used"] == "53"
    assert '<strong data-used="assessment">53</strong>' in page
    assert f'data-figure="total">${usage["totals"]["USD"]}' in page
