"""``UsageClient``: what a service calls when something billable happened."""

from __future__ import annotations

import os
import ssl
from datetime import datetime
from types import TracebackType

from usage_billing_client import _lifecycle as lifecycle
from usage_billing_client._engine import Engine
from usage_billing_client._event import Metadata, Quantity, encode, new_key
from usage_billing_client._options import OnRefused, Setup, Tuning, headers_for, spill_folder
from usage_billing_client._reporting import Stats, log
from usage_billing_client._transport import Target


class UsageClient:
    """Records usage in the background. Make one for the whole process; it may be used from every thread.

    ``spill`` says where recordings are kept that cannot be sent: True for a folder of the user's, False for
    nowhere, or a folder; each address and key has a folder of its own in it. ``write_ahead`` writes each to the
    file before ``record`` returns, so that it survives the death of the process; unless said, children do so that
    another program may end without a word (of ``multiprocessing``, of Celery, of a fork). With ``fsync`` what is
    written survives a power cut too. ``source`` sets this sender's keys apart from others'. ``strict`` makes ``record``
    raise TypeError and ValueError for recordings that cannot be written; otherwise they are logged.

    Raises ValueError for an address or a key that cannot be one.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str,
        spill: bool | str | os.PathLike[str] = True,
        write_ahead: bool | None = None,
        fsync: bool = False,
        source: str = "",
        strict: bool = False,
        on_refused: OnRefused | None = None,
        tls: ssl.SSLContext | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        if write_ahead and spill is False:
            raise ValueError("write_ahead needs a folder: spill must not be False")
        target = Target.read(url)
        self._setup = Setup(
            target=target,
            headers=headers_for(api_key),
            folder=spill_folder(spill, target=target, api_key=api_key, source=source),
            source=source,
            write_ahead=write_ahead,
            fsync=fsync,
            on_refused=on_refused,
            tls=tls,
            tuning=tuning or Tuning(),
        )
        self._strict = strict
        self._closed = False
        self._engine = Engine(self._setup)
        lifecycle.track(self)
        if self._engine.has_leftovers:
            lifecycle.on_first_use()
            self._engine.start()

    def record(
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
        """Record usage, without waiting for the service. Returns its idempotency key; None if it was not taken.

        ``quantity`` is exact as an int, a Decimal or a str; a float counts as Python prints it. With None the usage
        type makes it from the metadata, if it does so. ``timestamp`` is when it happened, now by itself, and must
        carry an offset. It never raises, except that
        a ``strict`` client raises for a recording that it cannot write down.
        """
        try:
            key = new_key() if idempotency_key is None else idempotency_key
            line = encode(
                user_id,
                subscription_id,
                usage_type,
                quantity,
                metadata=metadata,
                timestamp=timestamp,
                key=key,
                source=self._setup.source,
            )
        except Exception as error:  # metadata may run the caller's code
            if self._strict:
                raise
            self._engine.tally.add("refused")
            log.error("usage NOT recorded: %s (%s, %s)", _show(error), _show(subscription_id), _show(usage_type))
            return None
        try:
            lifecycle.on_first_use()
            return key if self._engine.record(line) else None
        except Exception:  # a mistake of this client must not fail the caller
            log.exception("usage NOT recorded, by a mistake in the usage client")
            return None

    def record_now(
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
    ) -> str:
        """Record usage and wait for the service; returns the id under which it can be looked up.

        Raises Refused, NotAllowed, or after ``timeout`` seconds of trying Undelivered; TypeError and ValueError
        for what cannot be written down. Nothing of it is kept: what to do then is the caller's choice.
        """
        key = new_key() if idempotency_key is None else idempotency_key
        line = encode(
            user_id,
            subscription_id,
            usage_type,
            quantity,
            metadata=metadata,
            timestamp=timestamp,
            key=key,
            source=self._setup.source,
        )
        return self._engine.immediate.send(line, key=key, timeout=timeout)

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until the service has judged all that was recorded; False if not within ``timeout`` seconds.

        That is all of this process, and what processes that are dead left in the folder. What other processes that
        live have not sent yet is theirs, and not counted.
        """
        return self._engine.flush(timeout)

    def close(self, timeout: float | None = None) -> None:
        """Send what waits, within ``timeout`` seconds (5 by itself); the rest is kept in the file.

        Happens by itself when the process exits. What is recorded later goes to the file at once.
        """
        if self._closed:
            return
        self._closed = True
        self._engine.close(self._setup.tuning.exit_timeout if timeout is None else timeout)
        lifecycle.untrack(self)

    @property
    def stats(self) -> Stats:
        """How many recordings went which way."""
        return self._engine.stats

    def __enter__(self) -> UsageClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _renew(self) -> None:
        """Start empty, in a child after a fork: the parent sends what it had taken in."""
        self._engine.abandon()
        self._engine = Engine(self._setup)


def _show(value: object) -> str:
    """The text of a value for the log, also of an object whose ``repr`` fails."""
    try:
        return repr(value)[:200]
    except Exception:
        return f"<{type(value).__name__}>"
