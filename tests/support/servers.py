"""The PostgreSQL and the Redis of one test process: those given by URL, or embedded ones of its own."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.pooler import PgBouncer
from usage_billing.embedded.postgres import EmbeddedPostgres
from usage_billing.embedded.redis import EmbeddedRedis
from usage_billing.settings import Settings


def _given(name: str) -> str:
    """What the environment said when pytest started: afterwards, and in xdist's workers, it is the service's."""
    return os.environ.setdefault(f"GIVEN_{name}", os.environ.get(name, ""))


GIVEN = Settings(database_url=_given("DATABASE_URL"), redis_url=_given("REDIS_URL"))


@dataclass(frozen=True, slots=True)
class Servers:
    """``database_url`` (``postgresql+psycopg://``) names a database that is never touched; ``redis_url`` one that is
    flushed. With TEST_POOLER in the environment ``pooler`` stands before the database. ``database_log`` is what the
    database's server writes, None of one that is given by URL."""

    database_url: str
    redis_url: str
    pooler: PgBouncer | None
    database_log: Path | None


@contextmanager
def running_servers(home: Path, *, worker: int) -> Iterator[Servers]:
    """Servers that are there until the block ends. On a Redis given by URL each worker has a database of its own."""
    with ExitStack() as stack:
        database_url, redis_url = GIVEN.database_url, GIVEN.redis_url
        log: Path | None = None
        if not database_url:
            postgres = EmbeddedPostgres(home, durable=False)
            stack.callback(postgres.discard)
            postgres.start()
            database_url, log = postgres.url(), postgres.ground.place / "server.log"
        if redis_url:
            redis_url = f"{redis_url.rsplit('/', 1)[0] if redis_url.count('/') > 2 else redis_url}/{15 - worker % 15}"
        else:
            redis = EmbeddedRedis(home, durable=False)
            stack.callback(redis.discard)
            redis.start()
            redis_url = redis.url()
        pooler = None
        if os.environ.get("TEST_POOLER"):
            pooler = stack.enter_context(PgBouncer(database_url))
        yield Servers(Settings(database_url=database_url).require_database(), redis_url, pooler, log)
