"""The contracts of customers whose pages are open: read once, and anew as soon as a subscription of theirs changed."""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from usage_billing.subscriptions.queries import Contract, contracts_of

_MOST = 256
_LARGE = 8  # contracts of a customer that are too many to be kept
_NANOSECONDS = 60 * 10**9


class _Kept(NamedTuple):
    terms: str
    until: int
    contracts: Sequence[Contract]


_kept: OrderedDict[str, _Kept] = OrderedDict()
_lock = threading.Lock()


def contracts_while(session: Session, customer_id: str, terms: str) -> Sequence[Contract]:
    """The contracts of a customer, by subscription id. While ``terms`` stay the same they are, for a minute."""
    kept = kept_while(customer_id, terms)
    if kept is not None:
        return kept
    now = time.monotonic_ns()
    found = contracts_of(session, customer_id)
    if len(found) <= _LARGE:
        with _lock:
            _kept[customer_id] = _Kept(terms, now + _NANOSECONDS, found)
            _kept.move_to_end(customer_id)
            while len(_kept) > _MOST:
                _kept.popitem(last=False)
    return found


def kept_while(customer_id: str, terms: str) -> Sequence[Contract] | None:
    """The contracts of a customer that are kept while ``terms`` stay as they are; None where they are to be read."""
    with _lock:
        kept = _kept.get(customer_id)
    return kept.contracts if kept is not None and kept.terms == terms and time.monotonic_ns() < kept.until else None


def forget() -> None:
    """Read all anew."""
    with _lock:
        _kept.clear()
