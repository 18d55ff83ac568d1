"""The page of today: how fast it records, what waits, what is odd, what to do first."""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from flask import Response

from api import enqueue
from api.state import state
from usage_billing.core.decimals import plain
from usage_billing.core.errors import Unavailable
from usage_billing.db.session import read_only
from usage_billing.reports.doctor.finding import Finding
from usage_billing.reports.today import Today, look_at_today, to_do
from usage_billing.wire.billing_run import RUN
from usage_billing.wire.noun import show
from web.admin.blueprint import address, blp
from web.admin.desk import Desk
from web.admin.frame import framed, part, query_of
from web.admin.gate import looking, polling
from web.pages import answer, tag_of, unchanged

# Seconds: for how long the findings of the doctor, which read many rows, serve every page of this process; and how far
# apart two looks at the counters are that a rate is made of. Workers store their counters every two seconds.
_FINDINGS_SERVE = 30
_SHORTEST, _LONGEST = 10, 60

_WHERE: Mapping[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    "wrong_customer": ("See recordings", ("quarantine",), {"reason": "wrong_customer"}),
    "unknown_subscription": ("See recordings", ("quarantine",), {"reason": "unknown_subscription"}),
    "replayable": ("See recordings", ("quarantine",), {}),
    "quarantined": ("See recordings", ("quarantine",), {}),
    "missing_quota": ("Set a price", ("plans",), {}),
    "plan_without_quotas": ("See plans", ("plans",), {}),
    "run_stalled": ("See runs", ("runs",), {}),
    "run_failing": ("See runs", ("runs",), {}),
    "not_billed": ("See runs", ("runs",), {}),
    "run_warnings": ("See runs", ("runs",), {}),
    "tax_pending": ("See drafts", ("invoices",), {"status": "draft"}),
    "meter_behind": ("See meters", ("usage-types",), {}),
    "meter_skipped": ("See meters", ("usage-types",), {}),
    "top_ups_unanswered": ("See top-ups", ("top-ups",), {"state": "asked"}),
    "wallets_without_plan": ("See wallets", ("wallets",), {}),
    "endpoint_disabled": ("See endpoints", ("endpoints",), {"status": "disabled"}),
    "endpoint_failing": ("See endpoints", ("endpoints",), {}),
    "events_late": ("See events", ("events",), {}),
}
"""Where an operator looks at what the doctor found."""


class _Memory:
    """What this process saw: the counter of recordings over the last minute, and what there is to do."""

    def __init__(self) -> None:
        self.lock, self.looking = threading.Lock(), threading.Lock()
        self.seen: deque[tuple[int, int]] = deque()
        self.looked = -_FINDINGS_SERVE
        self.at: datetime | None = None
        self.findings: Sequence[Finding] = ()

    def a_second(self, recorded: int) -> Decimal | None:
        """Recordings a second over the last ten seconds or more; None while this was not watched for so long."""
        now = int(time.monotonic())
        with self.lock:
            if self.seen and self.seen[-1][1] > recorded:  # another database's
                self.seen.clear()
            while self.seen and now - self.seen[0][0] > _LONGEST:
                self.seen.popleft()
            if not self.seen or self.seen[-1][0] != now:
                self.seen.append((now, recorded))
            since, before = next((one for one in reversed(self.seen) if now - one[0] >= _SHORTEST), (now, recorded))
        return None if since == now else (Decimal(recorded - before) / (now - since)).quantize(Decimal("0.1"))

    def to_do(self, now: datetime) -> tuple[Sequence[Finding], datetime]:
        """What the doctor found, and when it looked. While one page waits for it to look again, the others do not."""
        stale = self.at is None or time.monotonic() - self.looked >= _FINDINGS_SERVE
        if stale and self.looking.acquire(blocking=self.at is None):
            try:
                with read_only(state().engine) as session:
                    self.findings = to_do(session, now=now)
                self.looked, self.at = int(time.monotonic()), now
            finally:
                self.looking.release()
        return self.findings, self.at or now


_memory = _Memory()


def forget() -> None:
    """Look anew at the next page."""
    _memory.seen.clear()
    _memory.at = None


@blp.get("")
@blp.get("/")
@looking
def show_today(desk: Desk) -> Response:
    """The figures of this moment, what to do first, and the last runs."""
    query_of()
    context = _today(desk)
    return framed(desk, "", "today", live_tag=_tag(context), today_in_words=desk.writer.day(desk.now), **context)


@blp.get("/today/live")
@polling
def show_living_today(desk: Desk) -> Response:
    """The part of the page that moves; 304 while it does not."""
    query_of()
    context = _today(desk)
    same = unchanged(_tag(context))
    if same is not None:
        return same
    response = answer(part(desk, "today_live", **context))
    response.headers["ETag"] = _tag(context)
    return response


def _tag(context: dict[str, Any]) -> str:
    return tag_of(*sorted(context.items()))


def _today(desk: Desk) -> dict[str, Any]:
    found = look_at_today(desk.session, now=desk.now)
    findings, looked = _memory.to_do(desk.now)
    rate = _memory.a_second(found.recorded)
    return {
        "rate": None if rate is None else plain(rate),
        "recorded": str(found.recorded),
        **_waiting(desk),
        "quarantined": sum(one.recordings for one in found.quarantine),
        "recent": sum(one.recent for one in found.quarantine),
        "reasons": [(one.reason, one.recordings) for one in found.quarantine],
        "drafts": _drafts(found),
        "behind": sorted(found.behind.items()),
        "runs": [show(RUN, run) for run in found.runs],
        "findings": [_finding(one) for one in findings],
        "looked": desk.writer.time(looked),
    }


def _waiting(desk: Desk) -> dict[str, Any]:
    """How many recordings wait in the inbox, and for how many seconds the oldest; None where it does not answer."""
    try:
        waiting, oldest = enqueue.backlog(), enqueue.oldest_waiting()
    except Unavailable:
        return {"waiting": None, "oldest": None}
    age = None if oldest is None else max(0, int((desk.now - oldest).total_seconds()))
    return {"waiting": waiting, "oldest": age}


def _drafts(found: Today) -> list[dict[str, Any]]:
    return [
        {"currency": one.currency, "invoices": one.invoices, "total": plain(one.total), "closes_at": one.closes_at}
        for one in found.drafts
    ]


def _finding(found: Finding) -> dict[str, str]:
    word, path, query = _WHERE.get(found.code, ("", (), {}))
    url = address(*path, **query) if word else ""
    message = f"{found.message[:1].upper()}{found.message[1:]}"
    return {"state": found.state, "message": message, "cure": found.cure, "word": word, "url": url}
