"""Recording one thing now, and waiting for the answer."""

from __future__ import annotations

import time

from usage_billing_client._answer import Kind, Verdict, judge_single, pause
from usage_billing_client._errors import NotAllowed, Refused, Undelivered
from usage_billing_client._options import Setup
from usage_billing_client._refusals import refusal_fields
from usage_billing_client._transport import Lost, Transport

RECORD_PATH = "/api/usage/record"
_KEPT_CONNECTIONS = 4
_DENIED = {401, 403}


class Immediate:
    """Sends single recordings, for any number of threads; each has a connection while it sends."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._idle: list[Transport] = []

    def send(self, line: bytes, *, key: str, timeout: float) -> str:
        """Send ``line`` and return the id that the service gave the recording.

        It tries again, for ``timeout`` seconds, while the service is busy or away; then raises Undelivered. Raises
        Refused or NotAllowed when it says no.
        """
        deadline = time.monotonic() + timeout
        failures = 0
        reason = "no time to send it"
        wait = 0.0
        while (left := deadline - time.monotonic() - wait) > 0:
            time.sleep(wait)
            try:
                verdict = self._post(line, timeout=min(left, self._setup.tuning.timeout))
            except Lost as error:
                verdict = Verdict(Kind.LATER, str(error))
            if verdict.kind is Kind.ACCEPTED:
                return str(verdict.body["id"])
            reason = verdict.reason
            if verdict.kind is not Kind.LATER:
                break
            failures += 1
            tuning = self._setup.tuning
            wait = pause(failures, base=tuning.backoff_base, cap=tuning.backoff_cap, retry_after=verdict.retry_after)
        else:
            raise Undelivered(f"not recorded within {timeout:g} seconds: {reason}", key=key)
        if verdict.status in _DENIED:
            raise NotAllowed(reason)
        if verdict.kind is Kind.KEEP:
            raise Undelivered(reason, key=key)
        fields = refusal_fields(verdict.body)
        raise Refused(fields["detail"], status=verdict.status, code=fields["code"], errors=fields["errors"])

    def _post(self, line: bytes, *, timeout: float) -> Verdict:
        try:
            transport = self._idle.pop()
        except IndexError:
            transport = Transport(self._setup.target, self._setup.headers, tls=self._setup.tls)
        try:
            return judge_single(transport.post(RECORD_PATH, line, timeout=timeout))
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
