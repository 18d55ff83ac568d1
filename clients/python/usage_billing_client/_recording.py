"""One recording as the caller gives it, and what becomes of it before it is taken in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Callable

from usage_billing_client._event import Metadata, Quantity, line_of, new_key, spell

BeforeSend = Callable[[dict[str, Any]], "Mapping[str, Any] | None"]
"""Called with a recording as it would be sent; returns it, changed or not, or None to leave it out."""

_TEXTS = ("userId", "subscriptionId", "usageType", "idempotencyKey", "timestamp")


@dataclass(frozen=True)
class Recording:
    """Usage of one type, under a subscription.

    ``quantity`` is exact as an int, a Decimal or a str; a float counts as Python prints it. With None the usage type
    makes it from the metadata, if it does so. ``timestamp`` is when it happened, now by itself, and must carry an
    offset. Give an ``idempotency_key`` when your work may be repeated.
    """

    user_id: str
    subscription_id: str
    usage_type: str
    quantity: Quantity | None = 1
    metadata: Metadata | None = None
    timestamp: datetime | None = None
    idempotency_key: str | None = None

    def made(self, *, source: str, before_send: BeforeSend | None) -> tuple[str, bytes] | None:
        """Its idempotency key and its line; None if ``before_send`` leaves it out.

        Raises TypeError or ValueError for what cannot be written, and what ``before_send`` raises.
        """
        key = new_key() if self.idempotency_key is None else self.idempotency_key
        fields: Mapping[str, Any] = spell(
            self.user_id,
            self.subscription_id,
            self.usage_type,
            self.quantity,
            metadata=self.metadata,
            timestamp=self.timestamp,
            key=key,
            source=source,
        )
        if before_send is not None:
            left = before_send(dict(fields))
            if left is None:
                return None
            if not isinstance(left, Mapping) or not all(isinstance(left.get(name), str) for name in _TEXTS):
                raise TypeError("before_send must return the recording, or None to leave it out")
            fields = left
        return fields["idempotencyKey"], line_of(fields)


class Batch:
    """The recordings of a batch as they are sent, and the place of each among those that were given."""

    def __init__(self, made: Sequence[tuple[str, bytes] | None]) -> None:
        left = [(place, one) for place, one in enumerate(made) if one is not None]
        self._given = len(made)
        self._places = [place for place, _ in left]
        self.keys = [key for _, (key, _) in left]
        self.lines = [line for _, (_, line) in left]

    def in_places(self, ids: Sequence[str]) -> list[str | None]:
        """The id of each that was given; None for one that is not sent."""
        found: list[str | None] = [None] * self._given
        for place, identifier in zip(self._places, ids):
            found[place] = identifier
        return found

    def errors_in_places(self, errors: Sequence[Any]) -> tuple[Any, ...]:
        """The service's errors, whose pointers ``/events/N`` count what was sent, counting what was given."""
        return tuple(self._in_place(error) for error in errors)

    def _in_place(self, error: Any) -> Any:
        pointer = error.get("pointer") if isinstance(error, Mapping) else None
        if not isinstance(pointer, str):
            return error
        found = re.match(r"/events/([0-9]{1,9})(?=/|$)", pointer)
        if found is None or int(found[1]) >= len(self._places):
            return error
        return {**error, "pointer": f"/events/{self._places[int(found[1])]}{pointer[found.end() :]}"}
