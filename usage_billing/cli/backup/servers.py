"""The servers whose data are saved or restored: those given by URL, or the embedded ones of a home, started for it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from usage_billing.cli.frame.database import load_settings
from usage_billing.core.errors import Conflict, NotFound
from usage_billing.embedded.ground import NOTE, make_home
from usage_billing.embedded.locks import FileLock
from usage_billing.embedded.postgres import EmbeddedPostgres
from usage_billing.embedded.redis import EmbeddedRedis
from usage_billing.embedded.secrets import kept_secret
from usage_billing.settings import Settings


@contextmanager
def servers(*, make: bool) -> Iterator[Settings]:
    """The settings with the addresses of both servers; those that were started here are stopped at the end.

    Without ``make`` an embedded server must have data already. Raises NotFound, Conflict, Unavailable.
    """
    settings = load_settings()
    with ExitStack() as stack:
        if not settings.database_url or (settings.inbox == "redis" and not settings.redis_url):
            _own_home(settings, stack, make=make)
        if not settings.database_url:
            postgres = stack.enter_context(EmbeddedPostgres(settings.home))
            settings = replace(settings, database_url=postgres.url())
        if settings.inbox == "redis" and not settings.redis_url:
            redis = stack.enter_context(EmbeddedRedis(settings.home))
            settings = replace(settings, redis_url=redis.url())
        yield replace(settings, secret=settings.secret or kept_secret(settings.home))


def _own_home(settings: Settings, stack: ExitStack, *, make: bool) -> None:
    home = settings.home
    if not make and not ((home / "postgres").is_dir() or (home / NOTE).exists()):
        raise NotFound(f"there are no data in {home.absolute()}: set DATABASE_URL and REDIS_URL, or USAGE_BILLING_HOME")
    make_home(home)
    owner = FileLock(home / "up.lock")
    if not owner.acquire():
        raise Conflict(f"`usage-billing up` starts or stops on {home}: try again", code="home_in_use")
    stack.callback(owner.release)
