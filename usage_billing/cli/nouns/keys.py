"""``usage-billing keys``: API keys, and tokens for development."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from usage_billing.access.principal import SCOPES
from usage_billing.access.rotation import DEFAULT_OVERLAP, MAX_OVERLAP
from usage_billing.cli.frame.database import actor, connected, load_settings, reading, writing
from usage_billing.cli.frame.listing import example, first_rows, limit_option, none_of
from usage_billing.cli.frame.output import json_option, pick, print_json, print_rows, print_thing, tell, wide_option
from usage_billing.cli.frame.times import NEVER, SPAN, TIME, TIME_OR_NEVER, SpanType
from usage_billing.cli.frame.types import IDENTIFIER, KEY_NAME, SOURCE
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import ConfigurationError, NotFound
from usage_billing.core.limits import MAX_RATE
from usage_billing.wire import noun as wire
from usage_billing.wire.key import API_KEY

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from usage_billing.access.service import IssuedKey

_COLUMNS = (
    "prefix",
    "name",
    "scopes",
    "createdAt",
    "expiresAt",
    "revokedAt",
    "lastUsedAt",
    "source",
    "usageTypes",
    "userIds",
    "id",
)
_WIDE_ONLY = {"createdAt", "revokedAt", "source", "usageTypes", "userIds", "id"}


@click.group(epilog=example("keys create --name reports --scope usage:write --scope usage:read"))
def command() -> None:
    """Issue, list, rotate and revoke API keys; make development tokens."""


@command.command(epilog=example("keys create --name reports --scope usage:write --expires 2027-01-01"))
@click.option("--name", type=KEY_NAME, required=True, help="Who will use it.")
@click.option("--scope", "scopes", type=click.Choice(SCOPES), multiple=True, required=True, help="What it may do.")
@click.option("--expires", "expires_at", type=TIME, help="Until when it holds; for ever unless given.")
@click.option("--rate-limit", type=click.IntRange(1, MAX_RATE), help="Requests a minute.")
@click.option("--source", type=SOURCE, help="It records by this source, and no other key does.")
@click.option("--usage-type", "usage_types", type=IDENTIFIER, multiple=True, help="It records this alone; repeatable.")
@click.option("--user", "user_ids", type=IDENTIFIER, multiple=True, help="It records for them alone; repeatable.")
@json_option
def create(
    *,
    name: str,
    scopes: tuple[str, ...],
    expires_at: datetime | None,
    rate_limit: int | None,
    source: str | None,
    usage_types: tuple[str, ...],
    user_ids: tuple[str, ...],
    as_json: bool,
) -> None:
    """Issue a key. It is shown once: only a hash of it is kept.

    A key that is bound by --source, --usage-type or --user may have the scope usage:write alone.
    """
    from usage_billing.access.bounds import Bounds
    from usage_billing.access.service import NewKey
    from usage_billing.db.session import transaction
    from usage_billing.flows.administration.manage_keys import create_key

    with connected() as (settings, engine), transaction(engine) as session:
        bounds = Bounds(
            source=source,
            usage_types=frozenset(usage_types) if usage_types else None,
            user_ids=frozenset(user_ids) if user_ids else None,
        )
        new = NewKey(name=name, scopes=scopes, expires_at=expires_at, rate_limit=rate_limit, bounds=bounds)
        issued = create_key(session, new, secret=settings.require_secret(), actor=actor(), now=utc_now())
        shape = wire.show(API_KEY, issued.row)
    _print_issued(issued, shape, as_json=as_json)


@command.command(name="list", epilog=example("keys list --scope admin"))
@click.option("--scope", type=click.Choice(SCOPES), help="Only those that may do this.")
@click.option("--all", "also_ended", is_flag=True, help="Also keys that were revoked or have expired.")
@click.option("--ended", is_flag=True, help="Only those.")
@limit_option
@wide_option
@json_option
def list_keys(*, scope: str | None, also_ended: bool, ended: bool, limit: int, as_json: bool) -> None:
    """List keys that hold, newest first, without what opens anything."""
    from usage_billing.access.models import ApiKey
    from usage_billing.access.queries import keys_where

    if also_ended and ended:
        raise click.UsageError("--all and --ended contradict each other.")
    statement = keys_where(now=utc_now(), scope=scope, ended=None if also_ended else ended)
    with reading() as session:
        found = first_rows(session, statement.order_by(ApiKey.id.desc()), limit=limit)
        rows = [wire.show(API_KEY, row) for row in found]
    shown = rows if as_json else [pick(row, *_COLUMNS) for row in rows]
    empty = none_of("keys", hint="usage-billing keys create --help", scope=scope, ended=ended)
    print_rows(shown, as_json=as_json, empty=empty, wide_only=_WIDE_ONLY)


@command.command(epilog=example("keys rotate ub_1a2b3c4d --overlap 7d"))
@click.argument("key")
@click.option("--overlap", type=SpanType(MAX_OVERLAP), default=DEFAULT_OVERLAP, help="How long both hold; 24h.")
@click.option("--expires", "expires_at", type=TIME_OR_NEVER, help="Until when the successor holds, or never.")
@json_option
def rotate(*, key: str, overlap: timedelta, expires_at: datetime | str | None, as_json: bool) -> None:
    """Issue a successor of KEY (its prefix or id); both hold for a while.

    Without --expires the successor holds for as long as KEY was made to hold.
    """
    from usage_billing.access.rotation import Rotation
    from usage_billing.db.session import transaction
    from usage_billing.flows.administration.manage_keys import rotate_key

    with connected() as (settings, engine), transaction(engine) as session:
        issued = rotate_key(
            session,
            _key_id(session, key),
            secret=settings.require_secret(),
            rotation=Rotation(overlap=overlap, expires_at=_end_of(expires_at)),
            actor=actor(),
            now=utc_now(),
        )
        shape = wire.show(API_KEY, issued.row)
    _print_issued(issued, shape, as_json=as_json)


@command.command(
    epilog=example("keys change ub_1a2b3c4d --expires 2027-06-30", "keys change ub_1a2b3c4d --expires never")
)
@click.argument("key")
@click.option("--name", type=KEY_NAME, help="Who will use it.")
@click.option("--expires", "expires_at", type=TIME_OR_NEVER, help="Until when it holds, or never.")
@click.option("--rate-limit", type=click.IntRange(1, MAX_RATE), help="Requests a minute.")
@json_option
def change(
    *, key: str, name: str | None, expires_at: datetime | str | None, rate_limit: int | None, as_json: bool
) -> None:
    """Change KEY (its prefix or id); what it may do stays as it was made."""
    from usage_billing.access.service import KeyChanges
    from usage_billing.core.changes import UNCHANGED
    from usage_billing.flows.administration.manage_keys import change_key

    if name is None and expires_at is None and rate_limit is None:
        raise click.UsageError("Give --name, --expires or --rate-limit.")
    changes = KeyChanges(
        name=UNCHANGED if name is None else name,
        expires_at=_end_of(expires_at),
        rate_limit=UNCHANGED if rate_limit is None else rate_limit,
    )
    with writing() as session:
        changed = change_key(session, _key_id(session, key), changes, actor=actor(), now=utc_now())
        shape = wire.show(API_KEY, changed)
    print_thing(shape, as_json=as_json)


@command.command(epilog=example("keys revoke ub_1a2b3c4d"))
@click.argument("key")
@json_option
def revoke(*, key: str, as_json: bool) -> None:
    """From now on KEY (its prefix or id) does not hold."""
    from usage_billing.flows.administration.manage_keys import revoke_key

    with writing() as session:
        shape = wire.show(API_KEY, revoke_key(session, _key_id(session, key), actor=actor(), now=utc_now()))
    print_thing(shape, as_json=as_json)


@command.command(epilog=example("keys token --user user123 --ttl 15m"))
@click.option("--user", type=IDENTIFIER, required=True, help="The customer's id: the token's subject.")
@click.option("--admin", is_flag=True, help="With the role admin.")
@click.option("--ttl", type=SPAN, default="1h", show_default=True, help="How long it holds.")
@json_option
def token(*, user: str, admin: bool, ttl: timedelta, as_json: bool) -> None:
    """Make a JSON Web Token with JWT_SECRET, to develop and test with."""
    from usage_billing.cli.nouns.tokens import make_token

    settings = load_settings()
    if not settings.jwt_secret:
        raise ConfigurationError(
            "JWT_SECRET is not set: tokens come from the service that holds the private key of JWT_PUBLIC_KEY"
            if settings.jwt_public_key
            else "JWT_SECRET is not set: give one of 32 characters or more, or start `usage-billing up`"
        )
    if ttl.total_seconds() > settings.jwt_max_seconds:
        raise ConfigurationError(f"a token may hold for {settings.jwt_max_seconds} seconds at most: JWT_MAX_SECONDS")
    if admin and not settings.jwt_admin:
        raise ConfigurationError("no token makes an administrator here: JWT_ADMIN is 0")
    text = make_token(settings, user, admin=admin, ttl=ttl, now=utc_now())
    if as_json:
        print_json({"token": text})
    else:
        click.echo(text)


def _end_of(given: datetime | str | None) -> Any:
    """Until when a key shall hold: None for ever, UNCHANGED where nothing was said."""
    from usage_billing.core.changes import UNCHANGED

    return UNCHANGED if given is None else None if given == NEVER else given


def _key_id(session: Session, key: str) -> UUID:
    from sqlalchemy import select

    from usage_billing.access.models import ApiKey

    try:
        return UUID(key)
    except ValueError:
        found = session.scalars(select(ApiKey.id).where(ApiKey.prefix == key)).first()
    if found is None:
        raise NotFound(f"there is no key {key[:40]}: `usage-billing keys list` shows prefixes")
    return found


def _print_issued(issued: IssuedKey, shape: Mapping[str, object], *, as_json: bool) -> None:
    print_thing({"key": issued.text, **shape}, as_json=as_json)
    if not as_json:
        tell("Keep the key now: it is never shown again.")
