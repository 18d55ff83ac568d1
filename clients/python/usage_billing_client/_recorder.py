"""The calls that record: in the background, now, many at once. ``UsageClient`` adds those that look up and await."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Any, Callable, TypeVar

from usage_billing_client import _lifecycle as lifecycle
from usage_billing_client import _sharing as sharing
from usage_billing_client._engine import Engine
from usage_billing_client._errors import Refused
from usage_billing_client._event import Metadata, Quantity
from usage_billing_client._options import OnAccepted, OnRefused, Setup, Tuning, read_setup
from usage_billing_client._recording import Batch, BeforeSend, Recording
from usage_billing_client._reporting import Stats, Tally, log

OnError = Callable[[Exception, Recording], None]
"""Called when ``record`` returns None because of an error, with what it was given."""

_MODES = ("live", "memory", "off")
Me = TypeVar("Me", bound="Recorder")


class Recorder:
    """Records usage in the background. Make one for the whole process; it may be used from every thread.

    ``mode`` is ``live``; for tests ``memory``, which keeps what is recorded in ``recorded``, or ``off``. ``spill`` says
    where recordings are kept that cannot be sent: True for a folder of the user's, False for nowhere, or a folder; each
    address and key has a folder of its own in it. ``write_ahead`` writes each to the file before ``record`` returns, so
    that it survives the death of the process; unless said, children do so that another program may end without a word
    (of ``multiprocessing``, of Celery, of a fork). With ``fsync`` what is written survives a power cut too. ``source``
    sets this sender's keys apart from others'. ``strict`` makes ``record`` raise for recordings that cannot be written;
    otherwise they are logged and told to ``on_error``. Clients of a process that are made alike share one sender.

    Raises ValueError for an address or a key that cannot be one.
    """

    def __init__(
        self,
        url: str = "",
        *,
        api_key: str = "",
        mode: str = "live",
        spill: bool | str | os.PathLike[str] = True,
        write_ahead: bool | None = None,
        fsync: bool = False,
        source: str = "",
        strict: bool = False,
        before_send: BeforeSend | None = None,
        on_accepted: OnAccepted | None = None,
        on_refused: OnRefused | None = None,
        on_error: OnError | None = None,
        tls: ssl.SSLContext | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        if mode not in _MODES:
            raise ValueError(f"mode must be one of {', '.join(_MODES)}")
        self._mode = mode
        self._source = source
        self._strict = strict
        self._before_send = before_send
        self._on_error = on_error
        self._tuning = tuning or Tuning()
        self._closed = False
        self._tally = Tally()
        self.recorded: list[dict[str, Any]] = []
        self._engine: Engine | None = None
        if mode != "live":
            return
        setup = read_setup(url, api_key=api_key, spill=spill, source=source, write_ahead=write_ahead, fsync=fsync)
        self._start(setup.with_calls(on_accepted=on_accepted, on_refused=on_refused, tls=tls, tuning=self._tuning))

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

        The arguments are those of ``Recording``. It never raises, except that a ``strict`` client raises for a
        recording that it cannot write down.
        """
        given = Recording(user_id, subscription_id, usage_type, quantity, metadata, timestamp, idempotency_key)
        try:
            made = given.made(source=self._source, before_send=self._before_send)
        except Exception as error:  # metadata may run the caller's code
            if self._strict:
                raise
            (self._engine.tally if self._engine is not None else self._tally).add("refused")
            log.error("usage NOT recorded: %s (%s, %s)", _show(error), _show(subscription_id), _show(usage_type))
            self._tell(error, given)
            return None
        return None if made is None else self._take(*made, given=given)

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
    ) -> str | None:
        """Record usage and wait for the service; returns the id under which it can be looked up.

        Raises Refused, NotAllowed, or after ``timeout`` seconds of trying Undelivered; TypeError and ValueError
        for what cannot be written down. Nothing of it is kept: what to do then is the caller's choice. What
        ``before_send`` leaves out has no id: it returns None. Unless ``mode`` is ``live``, the key stands for the id.
        """
        given = Recording(user_id, subscription_id, usage_type, quantity, metadata, timestamp, idempotency_key)
        made = given.made(source=self._source, before_send=self._before_send)
        if made is None:
            return None
        key, line = made
        return (
            self._keep(key, line)
            if self._engine is None
            else self._engine.immediate.record(line, key=key, timeout=timeout)
        )

    def record_batch(self, recordings: Iterable[Recording], *, timeout: float = 10.0) -> list[str | None]:
        """Record up to ``max_events`` (1,000) at once and wait: all are accepted or none.

        Returns an id for each, in order; None for one that ``before_send`` leaves out. Raises as ``record_now`` does,
        and ValueError for more. The errors of Refused name each by ``/events/N``, its place among ``recordings``.
        """
        batch = Batch([given.made(source=self._source, before_send=self._before_send) for given in recordings])
        if len(batch.keys) > self._tuning.max_events:
            raise ValueError(f"at most {self._tuning.max_events} recordings go into one batch, not {len(batch.keys)}")
        if self._engine is None or not batch.keys:
            return batch.in_places([self._keep(key, line) for key, line in zip(batch.keys, batch.lines)])
        try:
            ids = self._engine.immediate.record_batch(batch.lines, keys=batch.keys, timeout=timeout)
        except Refused as error:
            error.errors = batch.errors_in_places(error.errors)
            raise
        return batch.in_places(ids)

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until the service has judged all that was recorded; False if not within ``timeout`` seconds.

        That is all of this process, and what processes that are dead left in the folder. What other processes that
        live have not sent yet is theirs, and not counted.
        """
        return self._engine is None or self._engine.flush(timeout)

    def close(self, timeout: float | None = None) -> None:
        """Send what waits, within ``timeout`` seconds (5 by itself); the rest is kept in the file.

        Happens by itself when the process exits. What is recorded later goes to the file at once, unless another
        client that is made alike is still open.
        """
        if self._closed or self._engine is None:
            return
        self._closed = True
        seconds = self._tuning.exit_timeout if timeout is None else timeout
        if sharing.release(self._engine):
            self._engine.close(seconds)
        else:
            self._engine.flush(seconds)
        lifecycle.untrack(self)

    def use_key(self, api_key: str) -> None:
        """Go on with another key: what waits is taken along and sent with it. Raises ValueError if it cannot be one.

        It holds for all clients of this process that share the sender.
        """
        if self._engine is not None:
            self._engine.use_key(api_key)

    @property
    def stats(self) -> Stats:
        """How many recordings went which way, of all clients that share the sender."""
        return self._engine.stats if self._engine is not None else self._tally.snapshot(waiting=0)

    def __enter__(self: Me) -> Me:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, setup: Setup) -> None:
        self._engine = sharing.acquire(setup)
        lifecycle.track(self)
        if self._engine.has_leftovers:
            lifecycle.on_first_use()
            self._engine.start()

    def _take(self, key: str, line: bytes, *, given: Recording) -> str | None:
        try:
            if self._engine is None:
                return self._keep(key, line)
            lifecycle.on_first_use()
            if self._engine.record(line):
                return key
            self._tell(RuntimeError("the recording is lost: no room in memory, and no file to keep it in"), given)
        except Exception as error:  # a mistake of this client must not fail the caller
            log.exception("usage NOT recorded, by a mistake in the usage client")
            self._tell(error, given)
        return None

    def _keep(self, key: str, line: bytes) -> str:
        self._tally.add("recorded")
        if self._mode == "memory":
            self.recorded.append(json.loads(line))
        return key

    def _tell(self, error: Exception, given: Recording) -> None:
        if self._on_error is None:
            return
        try:
            self._on_error(error, given)
        except Exception:
            log.exception("on_error failed")

    def _renew(self) -> None:
        """Start empty, in a child after a fork: the parent sends what it had taken in."""
        if self._engine is not None:
            self._engine.abandon()
            self._engine = sharing.acquire(self._engine.setup)


def _show(value: object) -> str:
    """The text of a value for the log, also of an object whose ``repr`` fails."""
    try:
        return repr(value)[:200]
    except Exception:
        return f"<{type(value).__name__}>"
