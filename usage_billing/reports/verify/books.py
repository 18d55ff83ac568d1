"""The whole proof: yields every difference in the books as they stood at one moment, checked piece by piece."""

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.acceptances import acceptance_differences
from usage_billing.reports.verify.alerts import alert_differences
from usage_billing.reports.verify.balance_alerts import balance_differences
from usage_billing.reports.verify.credit import credit_differences
from usage_billing.reports.verify.difference import Difference, OnProgress, quiet
from usage_billing.reports.verify.drive_readers import take_time
from usage_billing.reports.verify.events import event_differences
from usage_billing.reports.verify.fees import fee_differences
from usage_billing.reports.verify.invoices import invoice_differences
from usage_billing.reports.verify.kept import kept_differences
from usage_billing.reports.verify.money_order import money_order_differences
from usage_billing.reports.verify.prepaid import prepaid_differences
from usage_billing.reports.verify.purchases import purchase_differences
from usage_billing.reports.verify.recorded import recorded_in
from usage_billing.reports.verify.schedules import schedule_differences
from usage_billing.reports.verify.strays import stray_differences
from usage_billing.reports.verify.summaries import orphans, summary_differences
from usage_billing.reports.verify.taxes import tax_differences
from usage_billing.reports.verify.terms import Catalogue, load_catalogue
from usage_billing.reports.verify.unused import unused_differences
from usage_billing.reports.verify.wallet_causes import cause_differences
from usage_billing.reports.verify.wallet_draws import draw_differences
from usage_billing.reports.verify.wallets import wallet_differences

_SUMMARIES = 2_000  # so many are looked at together

_COUNT = text(
    """
    SELECT count(*) AS summaries, coalesce(sum(s.events) FILTER (WHERE t.of IS NULL), 0) AS recordings
    FROM usage_summaries AS s JOIN usage_types AS t ON t.id = s.usage_type_id
    WHERE (CAST(:only AS text) IS NULL OR subscription_id = :only)
        AND (CAST(:changed AS bigint[]) IS NULL OR s.id = ANY(CAST(:changed AS bigint[])))
    """
)
_NEXT = text(
    """
    SELECT id FROM usage_summaries
    WHERE id > :after AND (CAST(:only AS text) IS NULL OR subscription_id = :only)
        AND (CAST(:changed AS bigint[]) IS NULL OR id = ANY(CAST(:changed AS bigint[])))
    ORDER BY id LIMIT :size
    """
)


def find_differences(
    session: Session,
    *,
    subscription_id: str | None = None,
    changed: Sequence[int] | None = None,
    on_progress: OnProgress = quiet,
) -> Iterator[Difference]:
    """Recompute everything, or all of one subscription, and yield what is not as it should be.

    ``changed`` names the only summaries that may not be as they were when all was right. It is in order, has all of a
    subscription or none, and may have numbers under which there are recordings and no summary.

    ``session`` is read only and sees one moment (``db.session.read_only``). Progress counts summaries.
    """
    take_time(session)
    summaries, _ = count_books(session, subscription_id=subscription_id, changed=changed)
    catalogue = load_catalogue(session)

    def begin(stage: str) -> None:
        on_progress(stage, 0, summaries)

    with recorded_in(session, only=subscription_id, ids=changed) as recorded:
        # While other connections add up the recordings, this one looks at what needs none of them.
        yield from _beside_summaries(session, subscription_id, changed, catalogue, begin)
        done = 0
        for ids in _chunks(session, subscription_id, changed):
            on_progress("summaries and charges", done, summaries)
            yield from summary_differences(session, ids, catalogue, recorded)
            done += len(ids)
        on_progress("summaries and charges", done, summaries)
        yield from orphans(session, recorded)


def _beside_summaries(
    session: Session,
    only: str | None,
    changed: Sequence[int] | None,
    catalogue: Catalogue,
    begin: Callable[[str], None],
) -> Iterator[Difference]:
    """All that is checked for the books as a whole, or for the subscription ``only``."""
    begin("fees")
    yield from fee_differences(session, only, catalogue)
    begin("usage")
    yield from stray_differences(session, only)
    begin("acceptances")
    yield from acceptance_differences(session, only, changed)
    begin("invoices")
    yield from invoice_differences(session, only)
    yield from credit_differences(session, only)
    yield from tax_differences(session, only)
    yield from wallet_differences(session, only)
    yield from draw_differences(session, only)
    yield from money_order_differences(session, only)
    yield from cause_differences(session, only)
    yield from schedule_differences(session, only)
    yield from kept_differences(session, only)
    yield from unused_differences(session, only, catalogue)
    yield from prepaid_differences(session, only)
    yield from purchase_differences(session, only)
    yield from alert_differences(session, only)
    yield from balance_differences(session, only)
    if only is None:
        begin("events")
        yield from event_differences(session)


def count_books(
    session: Session, *, subscription_id: str | None = None, changed: Sequence[int] | None = None
) -> tuple[int, int]:
    """How many summaries there are, and recordings in them: in all, in a subscription's, or in those ``changed``."""
    row = session.execute(_COUNT, {"only": subscription_id, "changed": _listed(changed)}).one()
    return row.summaries, int(row.recordings)


def _listed(changed: Sequence[int] | None) -> list[int] | None:
    return None if changed is None else list(changed)


def _chunks(session: Session, only: str | None, changed: Sequence[int] | None) -> Iterator[list[int]]:
    after = 0
    asked = {"only": only, "changed": _listed(changed), "size": _SUMMARIES}
    while page := list(session.scalars(_NEXT, {**asked, "after": after})):
        yield page
        after = page[-1]
