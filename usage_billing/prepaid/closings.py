"""Which grant pays for what where the time of some came to close, though they are not closed yet. Pure.

Source: docs/prepaid.md, "Life of a grant".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from usage_billing.prepaid.allocating import Allocated, allocate_all
from usage_billing.prepaid.burn_down import Drawable, DrawKey, Need
from usage_billing.prepaid.owing import Overdraft
from usage_billing.prepaid.rollover import Rollover

_NOTHING = Decimal(0)


class Closing(NamedTuple):
    """Grants whose time to close came at one moment, and what was wanted by what had arrived until then.

    ``unused`` is what was left of allowances then, by the grant that has it.
    """

    grant_ids: frozenset[UUID]
    needs: Sequence[Need]
    unused: Mapping[UUID, Decimal] = MappingProxyType({})


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
    what is carried over from it is what it was then. So is what it has itself of an allowance.
    """
    open_grants, kept, following = list(grants), dict(posted), list(rollovers)
    over = frozenset[UUID]()
    for closing in closings:
        left = {id: left for id, left in closing.unused.items() if id not in over}
        known = [replace(one, settled=left.get(one.grant_id, one.settled)) for one in following]
        then = allocate_all(closing.needs, open_grants, kept, known, overdraft)
        for key, quantity in then.draws.items():
            if key.grant_id in closing.grant_ids:
                kept[key] = max(kept.get(key, _NOTHING), quantity)
        following = [
            replace(one, settled=then.carried[one.grant_id])
            if (one.source_id or one.grant_id) in closing.grant_ids
            else one
            for one in following
        ]
        over |= closing.grant_ids
        open_grants = [replace(one, is_open=False) if one.id in closing.grant_ids else one for one in open_grants]
    return allocate_all(needs, open_grants, kept, following, overdraft)
