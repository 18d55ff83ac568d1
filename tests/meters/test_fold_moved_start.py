"""A fold beside a start that is moved: what it counts stands where the segment begins by then."""

import json
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.factories import make_quota, make_recording, make_world, record
from tests.factories.customers import make_subscription
from tests.factories.meters import make_meter
from tests.support.billing import bill
from tests.support.books import rows, scalars
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.administration.agree import AgreedChange
from usage_billing.flows.administration.move_start import move_start
from usage_billing.flows.folding import claims
from usage_billing.flows.folding.drive_folds import fold_all
from usage_billing.reports.verify.books import find_differences

BEGUN, EARLIER, USED = (datetime(2026, 6, day, tzinfo=UTC) for day in (10, 5, 15))
JULY = datetime(2026, 7, 2, tzinfo=UTC)
_A_MOMENT = 0.5


@pytest.fixture
def metered(engine: Engine) -> Engine:
    """Of 1,700 tokens 1,000 are free, a token beyond is 0.01; none is counted yet."""
    with transaction(engine) as session:
        make_world(session, limit=None)
        make_meter(session, value="tokens")
        make_quota(session, usage_type="tokens", limit=1000, unit_price="0.01")
        make_subscription(session, id="s", started_at=BEGUN)
        metadata = json.dumps({"tokens": 1700})
        record(session, make_recording(now=USED, occurred_at=USED, subscription="s", metadata=metadata))
    return engine


def test_what_is_folded_beside_a_moved_start_is_charged(metered: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fold knows the old terms and is about to make the meter's summary when the start is moved."""
    moved: list[Future[AgreedChange]] = []
    create = claims.create_summaries

    def move() -> AgreedChange:
        with transaction(metered) as session:
            return move_start(session, "s", started_at=EARLIER, actor="test", now=USED)

    with ThreadPoolExecutor(1) as other, monkeypatch.context() as patched:

        def create_beside_a_move(*args: Any) -> None:
            moved.append(other.submit(move))
            wait(moved, _A_MOMENT)
            create(*args)

        patched.setattr(claims, "create_summaries", create_beside_a_move)
        fold_all(metered)
        (one,) = moved
        assert one.result().changed
    bill(metered, JULY)
    charged = "SELECT amount FROM usage_invoice_items WHERE usage_type_id = 'tokens'"
    assert (scalars(metered, charged), len(rows(metered, "SELECT FROM usage_summaries"))) == ([7], 2)
    with read_only(metered) as session:
        assert [str(found) for found in find_differences(session)] == []
