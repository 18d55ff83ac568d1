"""A run that is held to a dry run: it charges what that showed, or it fails and leaves nothing behind."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.billing_runs.models import BillingRun, RunStatus
from usage_billing.billing_runs.queries import get_run, outcomes
from usage_billing.core.errors import Conflict
from usage_billing.flows.billing.facts import tell_run
from usage_billing.flows.billing.run_outcome import SliceOutcome
from usage_billing.invoicing.fees import charge_fees_again
from usage_billing.invoicing.items import remove_items
from usage_billing.invoicing.queries import draft_items
from usage_billing.invoicing.service import add_up, remove_empty
from usage_billing.metering.settling import reopen
from usage_billing.subscriptions.openings import lock_to_bill


class DigestChanged(Conflict):
    """The run would charge something else than it was expected to."""

    code = "digest_changed"


def digest_changed() -> DigestChanged:
    """Says so, and what to do."""
    return DigestChanged("the run would charge something else than expected; look at it again", code="digest_changed")


def check_outcome(session: Session, run: BillingRun, outcome: SliceOutcome) -> None:
    """Raise DigestChanged unless ``outcome``, the last of a held run, makes its whole what was expected."""
    total = SliceOutcome()
    for stored in outcomes(session, run.id):
        total.merge(SliceOutcome.from_json(dict(stored)))
    total.merge(outcome)
    if run.expected_digest is not None and total.digest_text() != run.expected_digest:
        raise digest_changed()


def give_up(session: Session, run_id: UUID, *, now: datetime) -> None:
    """End a held run as failed: the items that it put on drafts are taken back, and billed by the next run."""
    run = get_run(session, run_id, lock=True)
    if run.status in (RunStatus.COMPLETED, RunStatus.FAILED):
        return
    _take_back(session, [UUID(id) for stored in outcomes(session, run_id) for id in _added(stored)])
    run.status, run.finished_at = RunStatus.FAILED, now
    run.error = f"{DigestChanged.code}: {digest_changed().message}"
    tell_run(session, run)


def _added(stored: dict[str, object]) -> Iterable[str]:
    found = stored.get("added", ())
    return found if isinstance(found, list) else ()


def _take_back(session: Session, item_ids: list[UUID]) -> None:
    lock_to_bill(session, sorted({item.subscription_id for item in draft_items(session, item_ids)}))
    items = draft_items(session, item_ids)
    remove_items(session, [item.id for item in items])
    reopen(session, sorted(item.summary_id for item in items if item.summary_id is not None))
    charge_fees_again(session, [item.fee_id for item in items if item.fee_id is not None])
    drafts = {item.invoice_id for item in items}
    add_up(session, drafts)
    remove_empty(session, drafts)
