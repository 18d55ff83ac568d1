"""Schedules as they are shown."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.schedules.models import Schedule
from usage_billing.wallets.queries import wallets_by_id


def schedule_views(session: Session, schedules: Sequence[Schedule], *, now: datetime) -> list[dict[str, object]]:
    """These schedules, each with the currency of its wallet and its next occurrence after ``now``."""
    currencies = {one.id: one.currency for one in wallets_by_id(session, {one.wallet_id for one in schedules})}
    found: list[dict[str, object]] = []
    for one in schedules:
        due = list(one.recurrence.due(one.next_at, now))
        next_at = one.recurrence.after(due[-1]) if due else one.next_at
        currency = currencies[one.wallet_id]
        rollover = None if one.rollover is None else one.rollover | {"currency": currency}
        found.append({"schedule": one, "currency": currency, "next_at": next_at, "rollover": rollover})
    return found
