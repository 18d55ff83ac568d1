"""Says tax rates, with an audit entry for each."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.decimals import plain
from usage_billing.taxes.models import TaxRate
from usage_billing.taxes.service import NewTaxRate, add_rates, held_rate


def say_rate(session: Session, new: NewTaxRate, *, actor: str, now: datetime) -> TaxRate:
    """Say a rate; one that is said already is returned as it stands."""
    say_rates(session, [new], actor=actor, now=now)
    return held_rate(session, new)


def say_rates(session: Session, rates: Sequence[NewTaxRate], *, actor: str, now: datetime) -> list[TaxRate]:
    """Say these rates; returns those that are new."""
    added = add_rates(session, rates)
    for one in added:
        said = {"rate": plain(one.rate), "effectiveFrom": one.effective_from.isoformat()}
        subject = f"tax-rate:{one.country}:{one.category}"
        note(session, actor=actor, action="tax_rate.said", subject=subject, at=now, **said)
    return added
