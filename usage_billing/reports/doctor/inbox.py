"""Can the inbox be reached, does it keep what it accepts, and does a drain empty it?"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from usage_billing.core.clock import utc_now
from usage_billing.embedded.probe import knock
from usage_billing.embedded.resp import ErrorReply, Redis, open_redis
from usage_billing.inbox.redis_keys import stream
from usage_billing.metering.recording import SHARDS
from usage_billing.reports.doctor.clocks import compare_with_ours
from usage_billing.reports.doctor.finding import FAIL, WARN, Finding, fine

_LATE_SECONDS = 60
_CREDENTIALS = ("WRONGPASS", "NOAUTH", "NOPERM", "ERR invalid password")
_WANTED = {
    "appendonly": ("yes", "redis_not_durable", "it keeps nothing on disk"),
    "appendfsync": ("always", "redis_not_durable", "it answers before what it was given is on disk"),
    "maxmemory-policy": ("noeviction", "redis_evicts", "it forgets entries when memory is full"),
}


def check_inbox(url: str, *, now: datetime) -> Iterator[Finding]:
    """All checks of the Redis that REDIS_URL names."""
    try:
        with open_redis(url) as redis:
            redis.ask("PING")
            yield fine("redis", "the inbox answers")
            yield from durability_of(redis)
            yield _clock(redis)
            yield _waiting(redis, now)
    except ErrorReply as error:
        yield _refused(str(error))
    except OSError as error:
        yield Finding(
            "redis",
            FAIL,
            "redis_unreachable",
            f"the inbox cannot be reached ({error}): the API answers 503 to recordings",
            "start that server, or correct REDIS_URL",
        )
    except ValueError:
        cure = "write redis://:password@host:6379/0"
        yield Finding("redis", FAIL, "redis_url_invalid", "REDIS_URL is no valid Redis URL", cure)


def check_broker(url: str) -> Finding:
    """Whether the broker of CELERY_BROKER_URL answers: a Redis to PING, any other broker by opening its port."""
    try:
        if url.startswith(("redis://", "rediss://", "unix://")):
            with open_redis(url) as redis:
                redis.ask("PING")
        else:
            knock(url)
    except (OSError, ValueError) as error:
        return Finding(
            "broker",
            FAIL,
            "broker_unreachable",
            f"the broker of Celery's messages does not answer ({error}): no worker is woken to count",
            "start that server, or correct CELERY_BROKER_URL",
        )
    return fine("broker", "the broker answers")


def _refused(said: str) -> Finding:
    if said.startswith(_CREDENTIALS):
        message = f"the inbox refuses the user or password of REDIS_URL ({said})"
        return Finding("redis", FAIL, "redis_credentials_refused", message, "correct the password in REDIS_URL")
    return Finding("redis", FAIL, "redis_refuses", f"the inbox answers with an error ({said})", "see its log")


def durability_of(redis: Redis) -> Iterator[Finding]:
    """Whether what this Redis accepted is on disk before it answers, and stays."""
    wrong: dict[str, list[str]] = {}
    for name, (wanted, code, why) in _WANTED.items():
        try:
            answer = redis.ask("CONFIG", "GET", name)
        except ErrorReply:
            yield Finding(
                "inbox durability",
                WARN,
                "redis_durability_unknown",
                "this Redis does not show its configuration",
                "make sure by other means that it has appendonly yes, appendfsync always, maxmemory-policy noeviction",
            )
            return
        found = answer[1] if isinstance(answer, list) and len(answer) > 1 else b""
        if isinstance(found, bytes) and found.decode() != wanted:
            wrong.setdefault(code, []).append(f"{name} is {found.decode()}: {why}")
    for code, reasons in wrong.items():
        settings = ", ".join(f"{name} {wanted}" for name, (wanted, its, _) in _WANTED.items() if its == code)
        message = f"an accepted recording can be lost: {'; '.join(reasons)}"
        yield Finding("inbox durability", FAIL, code, message, f"configure Redis with {settings}")
    if not wrong:
        yield fine("inbox durability", "what is accepted is on disk before the answer")


def _clock(redis: Redis) -> Finding:
    answer = redis.ask("TIME")
    parts = [int(part) for part in answer if isinstance(part, bytes)] if isinstance(answer, list) else [0]
    theirs = datetime.fromtimestamp(parts[0], tz=UTC) + timedelta(microseconds=parts[-1])
    return compare_with_ours("Redis'", theirs - utc_now())


def _waiting(redis: Redis, now: datetime) -> Finding:
    oldest: datetime | None = None
    for shard in range(SHARDS):
        entries = redis.ask("XRANGE", stream(shard), "-", "+", "COUNT", "1")
        if isinstance(entries, list) and entries and isinstance(entries[0], list):
            first = entries[0][0]
            if isinstance(first, bytes):
                at = datetime.fromtimestamp(int(first.split(b"-")[0]) / 1000, tz=UTC)
                oldest = at if oldest is None else min(oldest, at)
    return waiting_since(oldest, now=now)


def waiting_since(oldest: datetime | None, *, now: datetime) -> Finding:
    """Whether a drain empties the inbox, judged by when its ``oldest`` entry was accepted (None: it is empty)."""
    if oldest is None:
        return fine("waiting", "nothing waits to be counted")
    seconds = (now - oldest).total_seconds()
    if seconds > _LATE_SECONDS:
        return Finding(
            "waiting",
            FAIL,
            "not_drained",
            f"the oldest accepted recording has waited {seconds:.0f} s to be counted",
            "start a worker, or read its log: nothing is lost, it is counted when one runs",
        )
    return fine("waiting", f"the oldest accepted recording has waited {max(seconds, 0):.0f} s")
