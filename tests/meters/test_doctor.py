"""What doctor says of meters: what they could not count, and what they keep that no price needs."""

from decimal import Decimal

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.factories import make_recording, make_world, record
from tests.factories.catalog import LONG_AGO
from tests.factories.meters import fold, make_meter
from usage_billing.catalog.service import NewQuota, add_quota_version
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.manage_meters import retire_meter
from usage_billing.reports.doctor.finding import Finding
from usage_billing.reports.doctor.meters import check_meters

MAY = LONG_AGO.replace(year=2026, month=5)


def found(engine: Engine) -> dict[str, Finding]:
    with read_only(engine) as session:
        return {one.code: one for one in check_meters(session)}


def make_series(session: Session, number: int) -> None:
    session.execute(
        text(
            "INSERT INTO meter_series (subscription_id, usage_type_id, series, dimensions)"
            " SELECT 'sub456', 'tokens', CAST(md5(CAST(n AS text)) AS uuid), jsonb_build_array('m' || n, 'in')"
            " FROM generate_series(1, :number) AS n ON CONFLICT DO NOTHING"
        ),
        {"number": number},
    )


def test_dimensions_that_no_price_names_are_told_where_they_make_many_series(engine: Engine) -> None:
    with transaction(engine) as session:
        make_world(session)
        make_meter(session, id="tokens", dimensions=["model", "direction"])
        make_series(session, 1000)
    assert found(engine).keys() == {"ok"}
    with transaction(engine) as session:
        make_series(session, 1001)
    one = found(engine)["meter_dimension_unread"]
    assert "model, direction of tokens, 1000 series more than subscriptions" in one.message
    cell = {"name": "gpt", "when": {"model": "gpt"}, "price": {"model": "per_unit", "unitPrice": "1"}}
    price = {"model": "by_dimension", "cells": [cell], "default": {"model": "per_unit", "unitPrice": "2"}}
    with transaction(engine) as session:
        new = NewQuota(plan_id="business", usage_type="tokens", limit=Decimal(0), price=price)
        add_quota_version(session, new, now=LONG_AGO)
    assert ": direction of tokens," in found(engine)["meter_dimension_unread"].message
    with transaction(engine) as session:
        retire_meter(session, "tokens", actor="a test", now=MAY)
    assert found(engine).keys() == {"ok"}


def test_what_was_skipped_unfit_or_lumped_is_told(engine: Engine) -> None:
    with transaction(engine) as session:
        make_world(session)
        make_meter(session, id="tokens", value="n", dimensions=["model"], series_limit=1)
        for metadata in ('{"n": "many"}', '{"n": 1, "model": []}', '{"n": 1, "model": "a"}', '{"n": 1, "model": "b"}'):
            record(session, make_recording(now=MAY, metadata=metadata))
        fold(session)
    said = found(engine)
    assert said.keys() == {"meter_skipped", "meter_unfit", "meter_series_limit"}
    assert "tokens skipped 1" in said["meter_skipped"].message
    assert "1 of tokens" in said["meter_unfit"].message
    assert "tokens of 1 subscriptions" in said["meter_series_limit"].message
