"""Endpoints: whom to tell, by which secret, and what goes out again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.core.identifiers import new_text_id
from usage_billing.customers.queries import get_customer
from usage_billing.flows.delivering.mail_endpoints import (
    check_webhook,
    read_addresses,
    read_language,
    refuse_of_other_kind,
    types_for_customers,
)
from usage_billing.flows.delivering.note_attempts import tell_disabled
from usage_billing.outbox.service import Fact, tell
from usage_billing.webhooks import service
from usage_billing.webhooks.models import WebhookEndpoint
from usage_billing.webhooks.queries import count_endpoints
from usage_billing.webhooks.signing import LEAST_BYTES, MOST_BYTES, is_secret, make_secret
from usage_billing.webhooks.states import TO_CUSTOMER, DisabledReason, EndpointKind, EndpointStatus
from usage_billing.wire.event import ENDPOINT_TEST_TOLD, VERSION, VERSIONS
from usage_billing.wire.event_type import EVERY, EventType
from usage_billing.wire.noun import show

MOST_ENDPOINTS = 50
DAY = timedelta(days=1)
_MOST_SECRETS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEndpoint:
    """An endpoint to be made. ``types`` may be ``["*"]``.

    A webhook has a ``url``, which has been judged before. Mail goes ``to`` addresses, or to ``customer``, in a
    ``language`` where the reader said none.
    """

    types: Sequence[str]
    kind: str = EndpointKind.WEBHOOK
    url: str | None = None
    to: str | Sequence[str] | None = None
    language: str | None = None
    id: str | None = None
    customer_id: str | None = None
    version: str = VERSION
    ordered: bool = False
    rate_per_second: int | None = None
    description: str | None = None
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class IssuedSecret:
    """An endpoint and its new secret in clear, which is shown this once; mail has none."""

    endpoint: WebhookEndpoint
    secret: str | None


def create_endpoint(session: Session, new: NewEndpoint, *, under: str, actor: str, now: datetime) -> IssuedSecret:
    """Store ``new``, with its secret sealed ``under`` the service's own. Raises InvalidInput, Conflict."""
    if count_endpoints(session) >= MOST_ENDPOINTS:
        raise InvalidInput.field("", f"there are {MOST_ENDPOINTS} endpoints already", code="too_many_endpoints")
    is_mail = new.kind == EndpointKind.EMAIL
    refuse_of_other_kind({"url": new.url, "secret": new.secret, "to": new.to, "language": new.language}, new.kind)
    if not is_mail and new.url is None:
        raise InvalidInput.field("/url", "is required", code="required")
    if new.secret is not None and not is_secret(new.secret):
        message = f"must be whsec_ and {LEAST_BYTES} to {MOST_BYTES} bytes in base64"
        raise InvalidInput.field("/secret", message, code="weak_secret")
    values = {
        "id": new.id or f"we_{new_text_id()}",
        "kind": new.kind,
        "url": new.url,
        "recipients": read_addresses(new.to) if is_mail else None,
        "language": read_language(new.language),
        "types": _types(new.types, to=new.to),
        "chosen_at": now,
        "customer_id": _known(session, new.customer_id),
        "version": _version(new.version),
        "ordered": new.ordered,
        "rate_per_second": new.rate_per_second,
        "description": new.description,
    }
    added = service.add_endpoint(session, values)
    secret = None if is_mail else new.secret or make_secret()
    if secret is not None:
        service.add_secret(session, added.id, secret, under=under, now=now)
    _note(session, added, "created", actor=actor, now=now, **_where(added))
    return IssuedSecret(added, secret)


def change_endpoint(
    session: Session, endpoint_id: str, changes: dict[str, Any], *, actor: str, now: datetime
) -> WebhookEndpoint:
    """Change an endpoint; what waits for it goes where it is by then. Raises NotFound, InvalidInput."""
    endpoint = service.lock_endpoint(session, endpoint_id)
    refuse_of_other_kind({name: changes.get(name) for name in ("url", "to", "language")}, endpoint.kind)
    to = changes.get("to", None if endpoint.has_addresses else TO_CUSTOMER)
    if "to" in changes:
        endpoint.recipients = read_addresses(to)
        service.drop_recipients(session, endpoint)
    if "types" in changes or "to" in changes:
        endpoint.types = _types(changes.get("types") or endpoint.types or [EVERY], to=to)
    if "customer_id" in changes:
        endpoint.customer_id = _known(session, changes["customer_id"])
    if "language" in changes:
        endpoint.language = read_language(changes["language"])
    if {"types", "customer_id", "to"} & set(changes):
        endpoint.chosen_at = now
    for name in ("url", "ordered", "rate_per_second", "description"):
        if name in changes:
            setattr(endpoint, name, changes[name])
    _note(session, endpoint, "changed", actor=actor, now=now, fields=sorted(changes))
    return endpoint


def remove_endpoint(session: Session, endpoint_id: str, *, actor: str, now: datetime) -> WebhookEndpoint:
    """Forget an endpoint and all that was or is to be sent to it. Raises NotFound."""
    endpoint = service.lock_endpoint(session, endpoint_id)
    _note(session, endpoint, "removed", actor=actor, now=now, **_where(endpoint))
    session.expunge(endpoint)
    service.remove_endpoint(session, endpoint)
    return endpoint


def rotate_secret(
    session: Session, endpoint_id: str, *, overlap: timedelta, under: str, actor: str, now: datetime
) -> IssuedSecret:
    """Give an endpoint a new secret; the one before it signs too until the ``overlap`` is over. Two hold at most."""
    endpoint = service.lock_endpoint(session, endpoint_id)
    check_webhook(endpoint)
    service.end_secrets(session, endpoint_id, newest_at=now + overlap, others_at=now)
    secret = make_secret()
    service.add_secret(session, endpoint_id, secret, under=under, now=now)
    _note(session, endpoint, "rotated", actor=actor, now=now, overlapSeconds=int(overlap.total_seconds()))
    return IssuedSecret(endpoint, secret)


def reveal_secrets(session: Session, endpoint_id: str, *, under: str, actor: str, now: datetime) -> list[str]:
    """The secrets that hold, the newest first; who looked stands in the audit log. Raises NotFound, Conflict."""
    endpoint = service.lock_endpoint(session, endpoint_id)
    check_webhook(endpoint)
    secrets = service.opened(service.holding_secrets(session, [endpoint_id], now=now)[endpoint_id], under=under)
    if not secrets:
        message = "its secrets are sealed under another USAGE_BILLING_SECRET; rotate them"
        raise Conflict(message, code="secret_unreadable")
    _note(session, endpoint, "revealed", actor=actor, now=now)
    return secrets[:_MOST_SECRETS]


def disable_endpoint(session: Session, endpoint_id: str, *, actor: str, now: datetime) -> WebhookEndpoint:
    """Tell an endpoint nothing more; what happens meanwhile is held. Twice changes nothing. Raises NotFound."""
    endpoint = service.lock_endpoint(session, endpoint_id)
    if endpoint.status == EndpointStatus.ACTIVE:
        service.disable(session, endpoint, DisabledReason.BY_HAND, now=now)
        tell_disabled(session, endpoint, now=now)
        _note(session, endpoint, "disabled", actor=actor, now=now)
    return endpoint


def enable_endpoint(session: Session, endpoint_id: str, *, resume: str, actor: str, now: datetime) -> WebhookEndpoint:
    """Tell an endpoint again; ``resume`` says what of that which was held goes out. Raises NotFound."""
    endpoint = service.lock_endpoint(session, endpoint_id)
    if endpoint.status == EndpointStatus.DISABLED:
        service.enable(session, endpoint, keep=resume, now=now)
        _note(session, endpoint, "enabled", actor=actor, now=now, resume=resume)
    return endpoint


def test_endpoint(session: Session, endpoint_id: str, *, actor: str, now: datetime) -> None:
    """Tell ``endpoint.test`` to one endpoint alone, whatever its types. Raises NotFound, Conflict."""
    endpoint = service.lock_endpoint(session, endpoint_id)
    check_active(endpoint)
    if not endpoint.has_addresses:
        message = "it tells each customer at the customer's own address; a test is about none"
        raise Conflict(message, code="no_address")
    topic = EventType.ENDPOINT_TEST
    told = show(ENDPOINT_TEST_TOLD, {"endpoint_id": endpoint_id})
    tell(session, [Fact(topic, f"{topic}:{endpoint_id}:{now.isoformat()}:{new_text_id()}", told)])
    _note(session, endpoint, "tested", actor=actor, now=now)


def check_active(endpoint: WebhookEndpoint) -> None:
    """Raises Conflict, code ``endpoint_disabled``."""
    if endpoint.status == EndpointStatus.DISABLED:
        raise Conflict("the endpoint is disabled; enable it first", code="endpoint_disabled")


def _where(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """What the audit log has of where an endpoint is."""
    if endpoint.kind == EndpointKind.WEBHOOK:
        return {"url": endpoint.url}
    return {"to": endpoint.recipients or TO_CUSTOMER}


def _types(types: Sequence[str], *, to: str | Sequence[str] | None) -> list[str] | None:
    """As they are kept: None for every type."""
    if to == TO_CUSTOMER:
        return types_for_customers(types if list(types) == [EVERY] else named_types(types))
    return None if list(types) == [EVERY] else named_types(types)


def named_types(types: Sequence[str]) -> list[str]:
    """Types of events, each of which is known and named once; raises InvalidInput."""
    if not types:
        raise InvalidInput.field("/types", "must name at least one", code="out_of_range")
    for index, name in enumerate(types):
        if name not in set(EventType):
            raise InvalidInput.field(f"/types/{index}", f"there is no type {name[:64]!r}", code="unknown_event_type")
        if name in types[:index]:
            raise InvalidInput.field(f"/types/{index}", "is named twice", code="repeated")
    return list(types)


def _version(version: str) -> str:
    if version not in VERSIONS:
        raise InvalidInput.field("/version", f"must be one of: {', '.join(VERSIONS)}", code="unknown_version")
    return version


def _known(session: Session, customer_id: str | None) -> str | None:
    if customer_id is not None:
        get_customer(session, customer_id)
    return customer_id


def _note(session: Session, endpoint: WebhookEndpoint, verb: str, *, actor: str, now: datetime, **more: Any) -> None:
    session.flush()
    note(session, actor=actor, action=f"endpoint.{verb}", subject=f"endpoint:{endpoint.id}", at=now, **more)
