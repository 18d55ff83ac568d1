"""Lines of usage with what their bars show."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.core.decimals import plain
from usage_billing.db.session import once_while_agreed
from usage_billing.reports.usage import UsageLine
from usage_billing.wire.noun import show
from usage_billing.wire.usage import USAGE_LINE
from web.portal.ahead import at_this_rate

_ADDS_UP = frozenset({"sum", "count"})


def with_bars(session: Session, lines: Sequence[UsageLine], now: datetime) -> list[dict[str, Any]]:
    """Each line as the API shows it, with what it comes to at this rate; the largest charge first, then the fullest."""
    names = frozenset(line.usage_type for line in lines)
    kinds = once_while_agreed(session, ("kinds", names), lambda: _kinds(session, names))
    shown = []
    for line in lines:
        adds_up = kinds[line.usage_type].aggregation in _ADDS_UP
        ahead = at_this_rate(line, now) if adds_up else None
        shape = show(USAGE_LINE, line) | {"estimate": None if ahead is None else plain(ahead)}
        bar_ends = line.used if ahead is None else ahead
        shown.append({"line": shape, "of": line, "ahead": bar_ends, "estimated": ahead})
    return sorted(shown, key=lambda one: (-one["of"].estimated_charge, -_fullness(one["of"]), one["of"].usage_type))


def _kinds(session: Session, names: Collection[str]) -> dict[str, UsageType]:
    return {kind.id: kind for kind in session.scalars(select(UsageType).where(UsageType.id.in_(names)))}


def _fullness(line: UsageLine) -> Decimal:
    return line.used / line.limit if line.limit else line.used and Decimal(1)
