"""Whether the dimensions that prices name, and those that meters have, go together."""

from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageQuota
from usage_billing.core.errors import Conflict
from usage_billing.meters.cells import check_named
from usage_billing.meters.definition import Definition
from usage_billing.meters.queries import folded_types
from usage_billing.rating.engine import stored_price
from usage_billing.rating.price import parse_price
from usage_billing.rating.pricing.by_dimension import ByDimension

_MOST = 10


def check_cells(session: Session, usage_type: str, price: dict[str, Any], *, now: datetime, lock: bool) -> None:
    """Raises InvalidInput for a price by dimension that names one which its meter lacks, now or by a later definition.

    With ``lock`` the meter is defined no other way until the transaction ends.
    """
    model = parse_price(price).model
    meter = folded_types(session, hold=lock).get(usage_type) if isinstance(model, ByDimension) else None
    if isinstance(model, ByDimension) and meter is not None:
        check_named(meter.definitions, model, usage_type, since=now)


def check_dimensions_kept(session: Session, usage_type: str, definition: Definition, *, since: datetime) -> None:
    """Raises Conflict (``dimension_in_use``) where a price in force from ``since`` on names one that would go."""
    known = {one.name for one in definition.dimensions}
    versions = session.scalars(
        select(UsageQuota)
        .where(
            UsageQuota.usage_type_id == usage_type,
            or_(UsageQuota.ended_at.is_(None), UsageQuota.ended_at > since),
            or_(UsageQuota.effective_until.is_(None), UsageQuota.effective_until > since),
        )
        .order_by(UsageQuota.id)
    )
    gone: set[str] = set()
    quotas: list[int] = []
    for quota in versions:
        model = stored_price(quota.price).model
        missing = model.dimensions - known if isinstance(model, ByDimension) else set()
        if missing:
            gone |= missing
            quotas.append(quota.id)
    if quotas:
        listed = ", ".join(map(str, quotas[:_MOST])) + (f" and {len(quotas) - _MOST} more" if quotas[_MOST:] else "")
        message = f"{', '.join(sorted(gone))} is named by the prices of quotas {listed}"
        raise Conflict(message, code="dimension_in_use")
