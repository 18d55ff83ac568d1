"""Delivers recordings: tries, waits, halves a refused request, and tells when the service is away."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from usage_billing_client._answer import Kind, Verdict, judge_batch, pause
from usage_billing_client._batching import halves, request_body
from usage_billing_client._options import Tuning
from usage_billing_client._refusals import Refusals, refusal_fields
from usage_billing_client._reporting import Notices, Tally
from usage_billing_client._transport import Lost, Transport

BATCH_PATH = "/api/usage/record/batch"
_LOOK_SECONDS = 0.2
"""How long it waits before it looks whether the configuration was mended."""
_MOST_HELD = 8
"""So many recordings are found too large one by one before it waits, if no other gets through."""
_LONG_SECONDS = 2.0
"""Recordings that are only in memory wait no longer than this for another try; then they go to the file."""


class Delivery:
    """Sends lines until the service has judged each. For the sending thread."""

    def __init__(
        self, transport: Transport, tuning: Tuning, *, refusals: Refusals, tally: Tally, notices: Notices
    ) -> None:
        self._transport = transport
        self._tuning = tuning
        self._refusals = refusals
        self._tally = tally
        self._notices = notices
        self._stop = threading.Event()
        self._failures = 0
        self._not_before = 0.0

    @property
    def away(self) -> bool:
        """Whether the service has not taken anything for several tries."""
        return self._failures >= self._tuning.patience

    def stop(self) -> None:
        """End ``deliver`` soon, from another thread."""
        self._stop.set()
        self._transport.abort()

    def deliver(self, lines: Sequence[bytes], *, patient: bool) -> Sequence[bytes]:
        """Send ``lines``; returns those that are neither accepted nor refused, in order.

        It returns none, unless it was stopped, the service is away and ``patient`` is false, or something between
        finds single recordings too large: those hold up no others.
        """
        parts = [lines] if lines else []  # the next one last
        held: list[bytes] = []
        judged = False
        while parts:
            if self._wait_for_turn():
                break
            part = parts.pop()
            verdict = self._post(part)
            if verdict is not None and verdict.too_large and len(part) == 1:
                held += part
                self._notices.say("large", logging.ERROR, "a recording is kept and not sent: %s", verdict.reason)
                if len(held) == len(lines) or (len(held) >= _MOST_HELD and not judged):
                    # Nothing gets through, or nothing else is here: it would be sent again and again.
                    self._fail(verdict)
                    if not patient or not parts:
                        break
                    parts.insert(0, held)
                    held = []
                continue
            if verdict is None or verdict.kind in {Kind.LATER, Kind.KEEP}:
                parts.append(part)
                self._fail(verdict)
                if not patient and (self.away or self._not_before > time.monotonic() + _LONG_SECONDS):
                    break
                continue
            self._failures = 0
            judged = judged or verdict.kind is not Kind.DIVIDE or len(part) == 1
            parts.extend(self._judged(part, verdict))
        return [*(line for part in reversed(parts) for line in part), *held]

    def hurry(self) -> None:
        """Try soon what waits for a person to mend the configuration."""
        self._not_before = 0.0

    def _wait_for_turn(self) -> bool:
        """Wait until it is time to try; True if stopped meanwhile."""
        while (left := self._not_before - time.monotonic()) > 0:
            if self._stop.wait(min(left, _LOOK_SECONDS)):
                return True
        return self._stop.is_set()

    def _post(self, part: Sequence[bytes]) -> Verdict | None:
        try:
            answer = self._transport.ask(BATCH_PATH, request_body(part), timeout=self._tuning.timeout)
        except Lost as error:
            if not self._stop.is_set():
                self._notices.say("away", logging.WARNING, "usage could not be sent, and will be again: %s", error)
            return None
        return judge_batch(answer, count=len(part))

    def _judged(self, part: Sequence[bytes], verdict: Verdict) -> list[Sequence[bytes]]:
        """Note what became of the recordings of a part; returns what is still to be sent, the next one last."""
        if verdict.kind is Kind.ACCEPTED:
            self._tally.add("accepted", len(part))
            self._refusals.tell_accepted(part, verdict.body.get("ids"))
            return []
        if verdict.kind is Kind.REFUSED:
            fields = refusal_fields(verdict.body)
            for index, errors in sorted(verdict.refused.items()):
                self._refusals.add(part[index], status=verdict.status, **dict(fields, errors=errors))
            good = [line for index, line in enumerate(part) if index not in verdict.refused]
            return [good] if good else []
        if len(part) == 1:
            self._refusals.add(part[0], status=verdict.status, **refusal_fields(verdict.body))
            return []
        first, second = halves(part)
        return [second, first]

    def _fail(self, verdict: Verdict | None) -> None:
        """Count a failure, and set when to try again."""
        tuning = self._tuning
        self._tally.add("retried")
        self._failures += 1
        wait = pause(
            self._failures,
            base=tuning.backoff_base,
            cap=tuning.backoff_cap,
            retry_after=verdict.retry_after if verdict is not None else None,
        )
        if verdict is not None and verdict.kind is Kind.KEEP:
            # A person has to mend the configuration. Until then all is kept: another try would get the same answer.
            self._failures = max(self._failures, tuning.patience)
            wait = tuning.misconfigured_pause + min(wait, 1.0)
            self._notices.say("keep", logging.ERROR, "usage is kept and not sent: %s", verdict.reason)
        elif verdict is not None:
            self._notices.say("later", logging.WARNING, "usage will be sent again: %s", verdict.reason)
        self._not_before = time.monotonic() + wait
