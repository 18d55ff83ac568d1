"""What a process keeps of customers whose pages are open: what is agreed with each, and the parts that it made.

Both are kept under what ``reports.moved`` said when they were read, and never for a time: as soon as that says
something else, they are read and made anew.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sized
from typing import Any, Generic, TypeVar

from usage_billing.catalog.fees import FeeBook
from usage_billing.catalog.quotas import QuotaBook

Value = TypeVar("Value")
Answers = dict[Hashable, Any]
"""What a session was answered about what is agreed with a customer, by what was asked."""

_CUSTOMERS, _PARTS = 256, 256
# Rows of what is agreed with one customer, and bytes of a part: what has more is not kept.
_MOST_ROWS, _LONGEST = 300, 32_768


class _Newest(Generic[Value]):
    """The values that were used last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Value | None:
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: Hashable, value: Value) -> None:
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)

    def drop(self, key: Hashable) -> None:
        with self._lock:
            self._values.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._values.clear()


_agreed: _Newest[tuple[str, Answers]] = _Newest(_CUSTOMERS)
_parts: _Newest[str] = _Newest(_PARTS)


def agreed_with(customer_id: str, agreed: str) -> Answers | None:
    """The answers that hold while ``agreed`` of ``Moved`` is this text; None where none are kept."""
    found = _agreed.get(customer_id)
    return found[1] if found is not None and found[0] == agreed else None


def keep_agreed(customer_id: str, agreed: str, answers: Answers) -> None:
    """Keep these in the place of what was kept of the customer, unless they are too many."""
    if _rows(answers) > _MOST_ROWS:
        _agreed.drop(customer_id)
    else:
        _agreed.put(customer_id, (agreed, answers))


def part_of(key: Hashable) -> str | None:
    """The HTML of a part; ``key`` has its tag, and what else decides what it shows."""
    return _parts.get(key)


def keep_part(key: Hashable, html: str) -> None:
    """Keep it, unless it is too long."""
    if len(html) <= _LONGEST:
        _parts.put(key, html)


def forget() -> None:
    """Read and make all anew."""
    _agreed.clear()
    _parts.clear()


def _rows(answers: Mapping[Hashable, Any]) -> int:
    return sum(_size(one) for one in list(answers.values()))


def _size(answer: object) -> int:
    if isinstance(answer, QuotaBook | FeeBook):
        return sum(map(len, (*answer.listed.values(), *answer.own.values())))
    return len(answer) if isinstance(answer, Sized) else 1
