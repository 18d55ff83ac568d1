"""``UsageClient``: what a service calls when something billable happened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

from usage_billing_client._event import Metadata, Quantity, spell_time
from usage_billing_client._recorder import Recorder
from usage_billing_client._recording import Recording


class UsageClient(Recorder):
    """Records usage and looks it up. See ``Recorder`` for the arguments.

    The calls that begin with ``a`` are for asyncio: they do in a thread what the calls without it do, so that the event
    loop goes on. ``record`` waits for no network and may be called in a coroutine too.
    """

    def recording(self, record_id: str, *, timeout: float = 10.0) -> dict[str, Any]:
        """What became of a recording, by the id that ``record_now`` returned or ``on_accepted`` was told.

        Its ``status`` is accepted, recorded, duplicate, quarantined or voided. The key needs the scope usage:read.
        Raises Refused (404 for an unknown id), NotAllowed or Undelivered.
        """
        return self._look_up(f"/api/usage/records/{quote(record_id, safe='')}", {}, timeout=timeout)

    def usage(
        self,
        *,
        subscription_id: str | None = None,
        user_id: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        cursor: str | None = None,
        timeout: float = 10.0,
    ) -> dict[str, Any]:
        """What a subscription or a user used, by usage type: in the present period, or from ``start`` to ``end``.

        One page of it; ``cursor`` is the ``nextCursor`` of the page before. The key needs the scope usage:read. Raises
        as ``recording`` does, and TypeError unless it is given either a subscription or a user.
        """
        if (subscription_id is None) == (user_id is None):
            raise TypeError("usage needs a subscription_id or a user_id, and not both")
        kind, name = ("user", user_id) if subscription_id is None else ("subscription", subscription_id)
        query = {
            "from": None if start is None else spell_time(start),
            "to": None if end is None else spell_time(end),
            "cursor": cursor,
        }
        return self._look_up(f"/api/usage/{kind}/{quote(str(name), safe='')}", query, timeout=timeout)

    async def arecord(
        self,
        user_id: str,
        subscription_id: str,
        usage_type: str,
        quantity: Quantity | None = 1,
        metadata: Metadata | None = None,
        *,
        timestamp: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> str | None:
        """``record``, off the event loop: also writing to a slow disk does not hold it up."""
        call = partial(self.record, user_id, subscription_id, usage_type, quantity, metadata)
        return await asyncio.to_thread(call, timestamp=timestamp, idempotency_key=idempotency_key)

    async def arecord_now(
        self,
        user_id: str,
        subscription_id: str,
        usage_type: str,
        quantity: Quantity | None = 1,
        metadata: Metadata | None = None,
        *,
        timestamp: datetime | None = None,
        idempotency_key: str | None = None,
        timeout: float = 10.0,
    ) -> str | None:
        """``record_now``, off the event loop. A task that is cancelled meanwhile may have recorded."""
        call = partial(self.record_now, user_id, subscription_id, usage_type, quantity, metadata)
        return await asyncio.to_thread(call, timestamp=timestamp, idempotency_key=idempotency_key, timeout=timeout)

    async def arecord_batch(self, recordings: Iterable[Recording], *, timeout: float = 10.0) -> list[str | None]:
        """``record_batch``, off the event loop."""
        return await asyncio.to_thread(self.record_batch, list(recordings), timeout=timeout)

    async def aflush(self, timeout: float = 5.0) -> bool:
        """``flush``, off the event loop."""
        return await asyncio.to_thread(self.flush, timeout)

    async def aclose(self, timeout: float | None = None) -> None:
        """``close``, off the event loop."""
        await asyncio.to_thread(self.close, timeout)

    async def __aenter__(self) -> UsageClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _look_up(self, path: str, query: dict[str, str | None], *, timeout: float) -> dict[str, Any]:
        if self._engine is None:
            raise TypeError("a client that is not live looks nothing up")
        text = urlencode({name: value for name, value in query.items() if value is not None})
        return self._engine.immediate.look_up(f"{path}?{text}" if text else path, timeout=timeout)
