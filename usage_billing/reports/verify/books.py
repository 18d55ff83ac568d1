"""The whole proof: yields every difference in the books as they stood at one moment, checked piece by piece."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.acceptances import acceptance_differences
from usage_billing.reports.verify.alerts import alert_differences
from usage_billing.reports.verify.credit import credit_differences
from usage_billing.reports.verify.difference import Difference, OnProgress, quiet
from usage_billing.reports.verify.events import event_differences
from usage_billing.reports.verify.fees import fee_differences
from usage_billing.reports.verify.invoices import invoice_differences
from usage_billing.reports.verify.money_order import money_order_differences
from usage_billing.reports.verify.prepaid import prepaid_differences
from usage_billing.reports.verify.purchases import purchase_differences
from usage_billing.reports.verify.schedules import schedule_differences
from usage_billing.reports.verify.strays import stray_differences
from usage_billing.reports.verify.summaries import summary_differences
from usage_billing.reports.verify.taxes import tax_differences
from usage_billing.reports.verify.terms import load_catalogue
from usage_billing.reports.verify.wallet_causes import cause_differences
from usage_billing.reports.verify.wallet_draws import draw_differences
from usage_billing.reports.verify.wallets import wallet_differences

# How many recordings, and how many summaries, one statement reads at most.
_RECORDINGS, _SUMMARIES = 100_000, 2_000

_COUNT = text(
    """
    SELECT count(*) AS summaries, coalesce(sum(s.events) FILTER (WHERE t.of IS NULL), 0) AS recordings
    FROM usage_summaries AS s JOIN usage_types AS t ON t.id = s.usage_type_id
    WHERE CAST(:only AS text) IS NULL OR subscription_id = :only
    """
)
_NEXT = text(
    """
    SELECT id, events FROM usage_summaries
    WHERE id > :after AND (CAST(:only AS text) IS NULL OR subscription_id = :only)
    ORDER BY id LIMIT :size
    """
)


def find_differences(
    session: Session, *, subscription_id: str | None = None, on_progress: OnProgress = quiet
) -> Iterator[Difference]:
    """Recompute everything, or all of one subscription, and yield what is not as it should be.

    ``session`` is read only and sees one moment (``db.session.read_only``). Progress counts summaries.
    """
    session.execute(text("SET LOCAL statement_timeout = 0"))
    # Between two statements it reckons, and that may take long as well.
    session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    summaries = session.execute(_COUNT, {"only": subscription_id}).one().summaries
    catalogue = load_catalogue(session)
    done = 0
    for ids in _chunks(session, subscription_id):
        on_progress("summaries and charges", done, summaries)
        yield from summary_differences(session, ids, catalogue)
        done += len(ids)
    on_progress("fees", done, summaries)
    yield from fee_differences(session, subscription_id, catalogue)
    on_progress("usage", done, summaries)
    yield from stray_differences(session, subscription_id)
    on_progress("acceptances", done, summaries)
    yield from acceptance_differences(session, subscription_id)
    on_progress("invoices", done, summaries)
    yield from invoice_differences(session, subscription_id)
    yield from credit_differences(session, subscription_id)
    yield from tax_differences(session, subscription_id)
    yield from wallet_differences(session, subscription_id)
    yield from draw_differences(session, subscription_id)
    yield from money_order_differences(session, subscription_id)
    yield from cause_differences(session, subscription_id)
    yield from schedule_differences(session, subscription_id)
    yield from prepaid_differences(session, subscription_id)
    yield from purchase_differences(session, subscription_id)
    yield from alert_differences(session, subscription_id)
    if subscription_id is None:
        on_progress("events", done, summaries)
        yield from event_differences(session)


def count_books(session: Session, *, subscription_id: str | None = None) -> tuple[int, int]:
    """How many summaries there are, and recordings in them."""
    row = session.execute(_COUNT, {"only": subscription_id}).one()
    return row.summaries, int(row.recordings)


def _chunks(session: Session, only: str | None) -> Iterator[list[int]]:
    after, chunk, recordings = 0, list[int](), 0
    while True:
        page = session.execute(_NEXT, {"after": after, "only": only, "size": _SUMMARIES}).all()
        for row in page:
            if chunk and (recordings + row.events > _RECORDINGS or len(chunk) >= _SUMMARIES):
                yield chunk
                chunk, recordings = [], 0
            chunk.append(row.id)
            recordings += row.events
            after = row.id
        if len(page) < _SUMMARIES:
            break
    if chunk:
        yield chunk
