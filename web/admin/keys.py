"""API keys at the desk: their list, and what may be known of one."""

from uuid import UUID

from flask import Response

from api.pagination import BY_ID
from usage_billing.access.models import ApiKey
from usage_billing.access.principal import SCOPES
from usage_billing.access.queries import get_key, keys_where
from usage_billing.wire.key import API_KEY
from usage_billing.wire.noun import show
from web.admin.blueprint import blp
from web.admin.desk import Desk
from web.admin.frame import framed, query_of
from web.admin.gate import looking
from web.admin.history import last_of
from web.admin.lists import listed

SCOPE_CHOICES = tuple((scope, scope) for scope in SCOPES)


@blp.get("/keys")
@looking
def list_keys(desk: Desk) -> Response:
    """Keys that hold, the newest first; with ``ended`` those that were revoked or have expired."""
    query = query_of("scope", "ended", "after")
    statement = keys_where(now=desk.now, scope=query.get("scope"), ended="ended" in query)
    found = listed(desk, statement, query, noun=API_KEY, by=[ApiKey.id], kind=BY_ID, path=["keys"], newest_first=True)
    scopes = [("", "all"), *SCOPE_CHOICES]
    return framed(desk, "keys", "keys", keys=found.rows, following=found.following, query=query, scopes=scopes)


@blp.get("/keys/<uuid:key_id>")
@looking
def show_key(desk: Desk, key_id: UUID) -> Response:
    """What may be known of a key."""
    query_of()
    key = get_key(desk.session, key_id)
    over = key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= desk.now)
    shape = show(API_KEY, key)
    return framed(desk, "keys", "key", key=shape, over=over, history=last_of(desk, [f"key:{key_id}"]))
