"""Meters, and folding into them."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from tests.factories.catalog import LONG_AGO
from usage_billing.catalog.models import UsageType
from usage_billing.flows.administration.manage_meters import create_meter
from usage_billing.flows.folding.fold_meters import FoldOutcome, fold_pairs
from usage_billing.meters.asked import NewMeter
from usage_billing.meters.queries import folded_types, new_to_fold


def make_meter(
    session: Session, *, id: str = "tokens", of: str = "assessment", since: datetime = LONG_AGO, **terms: Any
) -> UsageType:
    """A meter that looks back over everything, unless ``since`` says otherwise."""
    new = NewMeter(id=id, unit_name=id, of=of, since=since, **terms)
    return create_meter(session, new, actor="a test", now=LONG_AGO)


def fold(session: Session, *, at_most: int | None = None, size: int = 1000) -> FoldOutcome:
    """Fold what is new; with ``at_most`` or ``size`` only a part of it."""
    pairs = new_to_fold(session, size=size)
    return fold_pairs(session, pairs, folded_types(session), at_most=at_most) if pairs else FoldOutcome()
