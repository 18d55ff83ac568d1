"""Asking the service now, and waiting for its answer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Callable

from usage_billing_client._answer import Answer, Kind, Verdict, judge_batch, judge_look_up, judge_single, pause
from usage_billing_client._batching import request_body
from usage_billing_client._delivery import BATCH_PATH
from usage_billing_client._errors import NotAllowed, Refused, Undelivered
from usage_billing_client._options import Setup
from usage_billing_client._refusals import refusal_fields
from usage_billing_client._transport import Lost, Transport

Judge = Callable[[Answer], Verdict]

RECORD_PATH = "/api/usage/record"
_KEPT_CONNECTIONS = 4
_DENIED = {401, 403}


class Immediate:
    """Asks for any number of threads; each has a connection while it asks."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._idle: list[Transport] = []

    def record(self, line: bytes, *, key: str, timeout: float) -> str:
        """Send ``line`` and return the id that the service gave the recording; raises as ``_insist`` does."""
        return str(self._insist(RECORD_PATH, line, judge=judge_single, keys=[key], timeout=timeout)["id"])

    def record_batch(self, lines: Sequence[bytes], *, keys: Sequence[str], timeout: float) -> list[str]:
        """Send ``lines`` in one request, which takes all or none, and return their ids."""
        judge = partial(judge_batch, count=len(lines))
        ids = self._insist(BATCH_PATH, request_body(lines), judge=judge, keys=keys, timeout=timeout)["ids"]
        return [str(identifier) for identifier in ids]

    def look_up(self, path: str, *, timeout: float) -> dict[str, Any]:
        """The JSON object that stands at ``path``."""
        return dict(self._insist(path, None, judge=judge_look_up, keys=[], timeout=timeout))

    def _insist(
        self, path: str, body: bytes | None, *, judge: Judge, keys: Sequence[str], timeout: float
    ) -> Mapping[str, Any]:
        """Ask until the service says yes or no, and return the body of its answer.

        It tries again, for ``timeout`` seconds, while the service is busy or away; then raises Undelivered. Raises
        Refused or NotAllowed when it says no.
        """
        deadline = time.monotonic() + timeout
        failures = 0
        reason = "no time to send it"
        wait = 0.0
        tuning = self.setup.tuning
        while (left := deadline - time.monotonic() - wait) > 0:
            time.sleep(wait)
            try:
                verdict = self._ask(path, body, judge=judge, timeout=min(left, tuning.timeout))
            except Lost as error:
                verdict = Verdict(Kind.LATER, str(error))
            if verdict.kind is Kind.ACCEPTED:
                return verdict.body
            if verdict.kind is not Kind.LATER:
                raise _error_of(verdict, keys)
            reason = verdict.reason
            failures += 1
            wait = pause(failures, base=tuning.backoff_base, cap=tuning.backoff_cap, retry_after=verdict.retry_after)
        raise Undelivered(f"not answered within {timeout:g} seconds: {reason}", keys=keys)

    def _ask(self, path: str, body: bytes | None, *, judge: Judge, timeout: float) -> Verdict:
        try:
            transport = self._idle.pop()
            transport.headers = self.setup.headers
        except IndexError:
            transport = Transport(self.setup.target, self.setup.headers, tls=self.setup.tls)
        try:
            return judge(transport.ask(path, body, timeout=timeout))
        finally:
            if len(self._idle) < _KEPT_CONNECTIONS:
                self._idle.append(transport)
            else:
                transport.close()

    def abandon(self) -> None:
        """Drop the parent's connections, in a child after a fork."""
        while self._idle:
            self._idle.pop().abandon()

    def close(self) -> None:
        """Close the connections that no thread uses."""
        while self._idle:
            self._idle.pop().close()


def _error_of(verdict: Verdict, keys: Sequence[str]) -> Exception:
    if verdict.status in _DENIED:
        return NotAllowed(verdict.reason)
    if not verdict.ours:
        return Undelivered(verdict.reason, keys=keys)
    fields = refusal_fields(verdict.body)
    return Refused(fields["detail"], status=verdict.status, code=fields["code"], errors=fields["errors"])
