"""What an operator changes of keys. A key itself is shown once, in the answer that makes it."""

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from api.state import state
from usage_billing.access.bounds import Bounds
from usage_billing.access.queries import get_key
from usage_billing.access.rotation import MAX_OVERLAP, Rotation
from usage_billing.access.service import IssuedKey, KeyChanges, NewKey, actor_of
from usage_billing.cli.frame.times import NEVER, TIME, TIME_OR_NEVER, SpanType
from usage_billing.cli.frame.types import KEY_NAME, SOURCE
from usage_billing.core.changes import UNCHANGED
from usage_billing.flows.administration import manage_keys
from usage_billing.wire.key import ISSUED_API_KEY
from usage_billing.wire.noun import show
from web.admin.blueprint import address
from web.admin.desk import Operator
from web.admin.forms import MANY, Box, Done, Form, change
from web.admin.frame import framed
from web.admin.keys import SCOPE_CHOICES
from web.admin.kinds import IDENTIFIERS, RATE


def _new(_: Session) -> Form:
    many = partial(Box, kind=IDENTIFIERS, required=False, type="area", rows=3)
    return Form(
        title="New key",
        says="It is shown once: only a hash of it is kept.",
        verb="Make the key",
        current="keys",
        back=address("keys"),
        boxes=[
            Box(name="name", label="Name", kind=KEY_NAME, help="Who will use it."),
            Box(name="scopes", label="What it may do", type=MANY, choices=SCOPE_CHOICES),
            Box(name="expiresAt", label="Until when", kind=TIME, required=False, help="For ever, if empty."),
            Box(name="rateLimit", label="Requests a minute", kind=RATE, required=False),
            Box(
                name="source",
                label="Bound to the source",
                kind=SOURCE,
                required=False,
                help="A key that is bound may have the scope usage:write alone.",
            ),
            many(name="usageTypes", label="Bound to usage types", help="One a line."),
            many(name="userIds", label="Bound to customers", help="One a line."),
        ],
    )


def _create(session: Session, operator: Operator, values: dict[str, Any]) -> Done:
    types, users = values["usageTypes"], values["userIds"]
    bounds = Bounds(
        source=values["source"],
        usage_types=None if types is None else frozenset(types),
        user_ids=None if users is None else frozenset(users),
    )
    new = NewKey(
        name=values["name"],
        scopes=values["scopes"],
        expires_at=values["expiresAt"],
        rate_limit=values["rateLimit"],
        bounds=bounds,
    )
    secret = state().settings.require_secret()
    return _issued(manage_keys.create_key(session, new, secret=secret, actor=operator.actor, now=operator.now))


def _issued(issued: IssuedKey) -> Done:
    """The page that shows the key, this once; a key that it replaces is looked up anew."""
    shape = show(ISSUED_API_KEY, issued)
    replaced = issued.replaced
    later = None if replaced is None else partial(state().keys.forget, actor_of(replaced))
    return Done(at_once=lambda desk: framed(desk, "keys", "issued", key=shape), later=later)


def _about(session: Session, key_id: UUID, **said: Any) -> Form:
    key = get_key(session, key_id)
    said["says"] = said["says"].format(name=key.name, prefix=key.prefix)
    return Form(current="keys", back=address("keys", key_id), **said)


def _changed(session: Session, key_id: UUID) -> Form:
    key = get_key(session, key_id)
    until = NEVER if key.expires_at is None else key.expires_at.isoformat()
    boxes = [
        Box(name="name", label="Name", kind=KEY_NAME, value=key.name),
        Box(name="expiresAt", label="Until when", kind=TIME_OR_NEVER, value=until, help="A time, or never."),
        Box(
            name="rateLimit",
            label="Requests a minute",
            kind=RATE,
            value="" if key.rate_limit is None else str(key.rate_limit),
            required=False,
            help="The usual, if empty.",
        ),
    ]
    says = "{prefix}: what it may do stays as it was made."
    return _about(session, key_id, title="Change a key", says=says, verb="Change it", boxes=boxes)


def _until(value: datetime | str) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _change(session: Session, operator: Operator, values: dict[str, Any], key_id: UUID) -> Done:
    key = get_key(session, key_id)
    expires = _until(values["expiresAt"])
    changes = KeyChanges(
        name=UNCHANGED if values["name"] == key.name else values["name"],
        expires_at=UNCHANGED if expires == key.expires_at else expires,
        rate_limit=UNCHANGED if values["rateLimit"] == key.rate_limit else values["rateLimit"],
    )
    changed = manage_keys.change_key(session, key_id, changes, actor=operator.actor, now=operator.now)
    return Done(address("keys", key_id), later=partial(state().keys.forget, actor_of(changed)))


def _rotated(session: Session, key_id: UUID) -> Form:
    boxes = [
        Box(name="overlap", label="Both hold for", kind=SpanType(MAX_OVERLAP), value="24h", help="Such as 24h or 7d."),
        Box(
            name="expiresAt",
            label="The successor holds until",
            kind=TIME_OR_NEVER,
            required=False,
            help="A time, or never; as long as this one was made to hold, if empty.",
        ),
    ]
    says = "A successor of {name} ({prefix}) with the same scopes and bounds. It is shown once."
    return _about(session, key_id, title="Rotate a key", says=says, verb="Rotate it", boxes=boxes)


def _rotate(session: Session, operator: Operator, values: dict[str, Any], key_id: UUID) -> Done:
    expires = UNCHANGED if values["expiresAt"] is None else _until(values["expiresAt"])
    rotation = Rotation(overlap=values["overlap"], expires_at=expires)
    secret = state().settings.require_secret()
    return _issued(
        manage_keys.rotate_key(
            session, key_id, secret=secret, rotation=rotation, actor=operator.actor, now=operator.now
        )
    )


def _revoked(session: Session, key_id: UUID) -> Form:
    says = "{name} ({prefix}) ends now, and what it opened here with it. This cannot be undone."
    return _about(session, key_id, title="Revoke a key", says=says, verb="Revoke it", danger=True)


def _revoke(session: Session, operator: Operator, _values: dict[str, Any], key_id: UUID) -> Done:
    revoked = manage_keys.revoke_key(session, key_id, actor=operator.actor, now=operator.now)
    return Done(address("keys", key_id), later=partial(state().keys.forget, actor_of(revoked)))


change("/keys/new", "new_key", _new, _create)
change("/keys/<uuid:key_id>/change", "key_change", _changed, _change)
change("/keys/<uuid:key_id>/rotate", "rotate_key", _rotated, _rotate)
change("/keys/<uuid:key_id>/revoke", "revoke_key", _revoked, _revoke)
