"""Which grant pays for what where the time of some came to close, though they are not closed yet. Pure.

Source: docs/prepaid.md, "Life of a grant".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from usage_billing.core.decimals import EXACT
from usage_billing.prepaid.allocating import Allocated, allocate_all
from usage_billing.prepaid.burn_down import Drawable, DrawKey, Need
from usage_billing.prepaid.owing import Overdraft
from usage_billing.prepaid.rollover import Rollover

_NOTHING = Decimal(0)


class Closing(NamedTuple):
    """Grants whose time to close came at one moment, and what was wanted by what had arrived until then.

    ``unused`` is what was left of allowances then, by the grant that has it. ``at`` is the moment: grants
    that were made later were not there, and what begins or ends later had not by then. None: nothing came later.
    """

    grant_ids: frozenset[UUID]
    needs: Sequence[Need]
    unused: Mapping[UUID, Decimal] = MappingProxyType({})
    at: datetime | None = None


def allocate_after(
    closings: Iterable[Closing],
    needs: Iterable[Need],
    grants: Iterable[Drawable],
    posted: Mapping[DrawKey, Decimal],
    rollovers: Iterable[Rollover] = (),
    overdraft: Overdraft | None = None,
) -> Allocated:
    """Every draw where the time of some open grants came before they were closed; ``closings`` in their order.

    Such a grant pays for what it would have paid for, had it been closed in time, as far as that is wanted still, and
    what is carried over from it is what it was then. So is what it has itself of an allowance. What is posted of one
    that carries over, and was not wanted then, goes back: it has left the grant. So it does where more is posted of one
    than was carried over to it by then.
    """
    open_grants, kept, following = list(grants), dict(posted), list(rollovers)
    over = frozenset[UUID]()
    for closing in closings:
        left = {id: left for id, left in closing.unused.items() if id not in over}
        known = [replace(one, settled=left.get(one.grant_id, one.settled)) for one in following]
        there, owing = open_grants, overdraft
        if closing.at is not None:
            there = [_as_of(one, closing.at) for one in open_grants]
            owing = None if owing is None else replace(owing, now=min(owing.now, closing.at))
        then = allocate_all(closing.needs, there, kept, known, owing)
        anew = {one.source_id for one in following if one.settled is None} | _beyond(then.carried, kept)
        anew &= closing.grant_ids
        kept = {key: quantity for key, quantity in kept.items() if key.grant_id not in anew}
        for key, quantity in then.draws.items():
            if key.grant_id in closing.grant_ids:
                kept[key] = max(kept.get(key, _NOTHING), quantity)
        following = [
            replace(one, settled=then.parts[one.source_id, one.grant_id])
            if (one.source_id or one.grant_id) in closing.grant_ids
            else one
            for one in following
        ]
        over |= closing.grant_ids
        open_grants = [replace(one, is_open=False) if one.id in closing.grant_ids else one for one in open_grants]
    return allocate_all(needs, open_grants, kept, following, overdraft)


def _beyond(carried: Mapping[UUID, Decimal], posted: Mapping[DrawKey, Decimal]) -> set[UUID]:
    """The grants of which more is posted than they have by what is carried over to them."""
    found = dict.fromkeys(carried, _NOTHING)
    for key, quantity in posted.items():
        if key.grant_id in found:
            found[key.grant_id] = EXACT.add(found[key.grant_id], quantity)
    return {id for id, quantity in found.items() if quantity > carried[id]}


def _as_of(grant: Drawable, moment: datetime) -> Drawable:
    """A grant as it was then: one that was made later paid for nothing."""
    return grant if grant.made_at is None or grant.made_at <= moment else replace(grant, is_open=False)
