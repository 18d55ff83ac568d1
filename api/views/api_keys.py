"""API keys: what services authenticate with."""

from functools import partial
from typing import Any
from uuid import UUID

from api.arguments import Blueprint
from api.auth import caller, requires
from api.etags import check_match, tagged, takes_if_match
from api.idempotency import answers_with_a_secret
from api.locations import makes
from api.pagination import BY_ID, filters_of, listed
from api.schemas.api_keys import ApiKeysQuery, KeyChangesSchema, NewApiKeySchema, RotationSchema
from api.state import state
from api.transactions import after_commit, writing
from usage_billing.access.models import ApiKey
from usage_billing.access.principal import ADMIN
from usage_billing.access.queries import get_key, keys_where
from usage_billing.access.rotation import Rotation
from usage_billing.access.service import IssuedKey, KeyChanges, NewKey, actor_of
from usage_billing.db.session import read_only
from usage_billing.flows.administration import manage_keys
from usage_billing.wire.key import API_KEY, ISSUED_API_KEY
from usage_billing.wire.noun import page_of

blp = Blueprint("api keys", __name__, url_prefix="/api/api-keys", description="What services authenticate with.")


@blp.route("", methods=["POST"])
@requires(ADMIN)
@blp.arguments(NewApiKeySchema)
@blp.response(201, ISSUED_API_KEY)
@makes("/api/api-keys")
@answers_with_a_secret
def create_api_key(new: NewKey) -> IssuedKey:
    """Make a key. It is shown in this answer and never again."""
    secret = state().settings.require_secret()
    with writing() as session:
        return manage_keys.create_key(session, new, secret=secret, actor=caller().actor, now=state().clock())


@blp.route("", methods=["GET"])
@requires(ADMIN)
@blp.arguments(ApiKeysQuery, location="query")
@blp.response(200, page_of(API_KEY))
def list_api_keys(query: dict[str, Any]) -> dict[str, Any]:
    """List keys, newest first, ended ones included; never the key itself."""
    with read_only(state().engine) as session:
        statement = keys_where(now=state().clock(), **filters_of(query))
        return listed(session, statement, query, noun=API_KEY, by=[ApiKey.id], kind=BY_ID, newest_first=True)


@blp.route("/<uuid:key_id>", methods=["GET"])
@requires(ADMIN)
@blp.response(200, API_KEY)
@tagged
def show_api_key(key_id: UUID) -> ApiKey:
    """Show what may be known of a key."""
    with read_only(state().engine) as session:
        return get_key(session, key_id)


@blp.route("/<uuid:key_id>", methods=["PATCH"])
@requires(ADMIN)
@blp.arguments(KeyChangesSchema)
@blp.response(200, API_KEY)
@tagged
@takes_if_match
def change_api_key(changes: KeyChanges, key_id: UUID) -> ApiKey:
    """Change until when a key holds, its name or its limit; what it may do stays as it was made."""
    with writing() as session:
        check_match(API_KEY, lambda: get_key(session, key_id, lock=True))
        changed = manage_keys.change_key(session, key_id, changes, actor=caller().actor, now=state().clock())
    after_commit(partial(state().keys.forget, actor_of(changed)))
    return changed


@blp.route("/<uuid:key_id>/rotate", methods=["POST"])
@requires(ADMIN)
@blp.arguments(RotationSchema, required=False)
@blp.response(201, ISSUED_API_KEY)
@makes("/api/api-keys")
@answers_with_a_secret
def rotate_api_key(rotation: Rotation, key_id: UUID) -> IssuedKey:
    """Make a successor with the same scopes and bounds; both hold until the overlap is over."""
    secret = state().settings.require_secret()
    with writing() as session:
        issued = manage_keys.rotate_key(
            session, key_id, secret=secret, rotation=rotation, actor=caller().actor, now=state().clock()
        )
    if issued.replaced is not None:
        after_commit(partial(state().keys.forget, actor_of(issued.replaced)))
    return issued


@blp.route("/<uuid:key_id>/revoke", methods=["POST"])
@requires(ADMIN)
@blp.response(200, API_KEY)
@tagged
def revoke_api_key(key_id: UUID) -> ApiKey:
    """End a key now; other API processes follow within seconds. Revoking twice changes nothing."""
    with writing() as session:
        revoked = manage_keys.revoke_key(session, key_id, actor=caller().actor, now=state().clock())
    after_commit(partial(state().keys.forget, actor_of(revoked)))
    return revoked
