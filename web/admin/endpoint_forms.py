"""What an operator changes of endpoints. A secret is shown once, in the answer that makes it."""

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from api.state import state
from usage_billing.cli.frame.times import TIME, SpanType
from usage_billing.cli.frame.types import NEW_IDENTIFIER
from usage_billing.core.errors import InvalidInput
from usage_billing.flows.delivering import manage_endpoints, send_again
from usage_billing.flows.delivering.mail_endpoints import check_mail_goes
from usage_billing.flows.delivering.manage_endpoints import IssuedSecret, NewEndpoint
from usage_billing.flows.delivering.send_again import Span
from usage_billing.webhooks.queries import get_endpoint
from usage_billing.webhooks.states import TO_CUSTOMER, EndpointKind
from usage_billing.wire.event_type import EVERY
from web.admin.blueprint import address
from web.admin.desk import Operator
from web.admin.endpoint_boxes import TYPES, endpoint_boxes
from web.admin.forms import MANY, Box, Done, Form, change
from web.admin.frame import framed

_LONGEST_OVERLAP = timedelta(days=7)
_RESUMES = (
    ("all", "all that was held"),
    ("failed", "of that, what was tried and failed"),
    ("none", "nothing of that"),
)


def _new(_: Session) -> Form:
    return Form(
        title="New endpoint",
        says="It is told of what happens from now on. The secret to verify a webhook with is shown once.",
        verb="Make the endpoint",
        current="endpoints",
        back=address("endpoints"),
        boxes=[
            Box(name="id", label="Id", kind=NEW_IDENTIFIER, required=False, help="One is made, if empty."),
            *endpoint_boxes(),
        ],
    )


def _create(session: Session, operator: Operator, values: dict[str, Any]) -> Done:
    url, to = values["url"], values["to"]
    if (url is None) == (to is None):
        raise InvalidInput.field("/url", "must be given, or else addresses of mail", code="contradiction")
    if to is not None:
        check_mail_goes(to, state().settings)
    new = NewEndpoint(
        id=values["id"],
        kind=EndpointKind.WEBHOOK if to is None else EndpointKind.EMAIL,
        url=url,
        to=to,
        language=values["language"],
        types=values["types"] or [EVERY],
        customer_id=values["userId"],
        ordered=values["ordered"] == "yes",
        rate_per_second=values["ratePerSecond"],
        description=values["description"],
    )
    under = state().settings.require_secret()
    issued = manage_endpoints.create_endpoint(session, new, under=under, actor=operator.actor, now=operator.now)
    if issued.secret is None:
        return Done(address("endpoints", issued.endpoint.id))
    return _issued(issued, "A new endpoint")


def _issued(issued: IssuedSecret, title: str) -> Done:
    """The page that shows the secret, this once."""
    return _told(issued.endpoint.id, [issued.secret] if issued.secret else [], title)


def _told(endpoint_id: str, secrets: list[str], title: str) -> Done:
    return Done(at_once=lambda desk: framed(desk, "endpoints", "secrets", id=endpoint_id, secrets=secrets, title=title))


def _about(session: Session, endpoint_id: str, **said: Any) -> Form:
    endpoint = get_endpoint(session, endpoint_id)
    said["says"] = f"{endpoint.url or 'By mail'}: {said['says']}"
    return Form(current="endpoints", back=address("endpoints", endpoint_id), **said)


def _changed(session: Session, endpoint_id: str) -> Form:
    endpoint = get_endpoint(session, endpoint_id)
    says = "what waits for it goes where it is by then."
    boxes = endpoint_boxes(endpoint)
    return _about(session, endpoint_id, title="Change an endpoint", says=says, verb="Change it", boxes=boxes)


def _change(session: Session, operator: Operator, values: dict[str, Any], endpoint_id: str) -> Done:
    endpoint = get_endpoint(session, endpoint_id)
    wanted: dict[str, Any] = {
        **{name: values[name] for name in ("url", "to", "language") if name in values},
        "types": values["types"] or [EVERY],
        "customer_id": values["userId"],
        "ordered": values["ordered"] == "yes",
        "rate_per_second": values["ratePerSecond"],
        "description": values["description"],
    }
    to = endpoint.recipients or TO_CUSTOMER
    known = {name: to if name == "to" else getattr(endpoint, name) for name in wanted}
    known |= {"types": endpoint.types or [EVERY]}
    changes = {name: value for name, value in wanted.items() if value != known[name]}
    if "to" in changes:
        check_mail_goes(changes["to"], state().settings)
    if changes:
        manage_endpoints.change_endpoint(session, endpoint_id, changes, actor=operator.actor, now=operator.now)
    return Done(address("endpoints", endpoint_id))


def _rotated(session: Session, endpoint_id: str) -> Form:
    kind = SpanType(_LONGEST_OVERLAP)
    boxes = [Box(name="overlap", label="Both sign for", kind=kind, value="24h", help="Such as 24h or 7d.")]
    says = "it gets a new secret, which is shown once."
    return _about(session, endpoint_id, title="Rotate a secret", says=says, verb="Rotate it", boxes=boxes)


def _rotate(session: Session, operator: Operator, values: dict[str, Any], endpoint_id: str) -> Done:
    under = state().settings.require_secret()
    more: dict[str, Any] = {"under": under, "actor": operator.actor, "now": operator.now}
    return _issued(
        manage_endpoints.rotate_secret(session, endpoint_id, overlap=values["overlap"], **more), "A new secret"
    )


def _revealed(session: Session, endpoint_id: str) -> Form:
    says = "the secrets that hold are shown. The audit log remembers who looked."
    return _about(session, endpoint_id, title="Show the secrets", says=says, verb="Show them")


def _reveal(session: Session, operator: Operator, _values: dict[str, Any], endpoint_id: str) -> Done:
    under = state().settings.require_secret()
    found = manage_endpoints.reveal_secrets(session, endpoint_id, under=under, actor=operator.actor, now=operator.now)
    return _told(endpoint_id, found, "The secrets that hold")


def _tried(session: Session, endpoint_id: str) -> Form:
    says = "it alone is sent the event endpoint.test, within seconds."
    return _about(session, endpoint_id, title="Send a test", says=says, verb="Send it")


def _try(session: Session, operator: Operator, _values: dict[str, Any], endpoint_id: str) -> Done:
    manage_endpoints.test_endpoint(session, endpoint_id, actor=operator.actor, now=operator.now)
    return Done(address("endpoints", endpoint_id))


def _disabled(session: Session, endpoint_id: str) -> Form:
    says = "nothing more is sent to it. What happens meanwhile is held."
    return _about(session, endpoint_id, title="Disable an endpoint", says=says, verb="Disable it")


def _disable(session: Session, operator: Operator, _values: dict[str, Any], endpoint_id: str) -> Done:
    manage_endpoints.disable_endpoint(session, endpoint_id, actor=operator.actor, now=operator.now)
    return Done(address("endpoints", endpoint_id))


def _enabled(session: Session, endpoint_id: str) -> Form:
    boxes = [Box(name="resume", label="What goes out", type="choice", choices=_RESUMES, value="all")]
    says = "it is told again. What does not go out now is dropped, and can be replayed."
    return _about(session, endpoint_id, title="Enable an endpoint", says=says, verb="Enable it", boxes=boxes)


def _enable(session: Session, operator: Operator, values: dict[str, Any], endpoint_id: str) -> Done:
    resume = values["resume"]
    manage_endpoints.enable_endpoint(session, endpoint_id, resume=resume, actor=operator.actor, now=operator.now)
    return Done(address("endpoints", endpoint_id))


def _replayed(session: Session, endpoint_id: str) -> Form:
    only = (("failed", "what never arrived"), ("all", "all, also what it took"))
    boxes = [
        Box(name="since", label="Events from", kind=TIME, help="A time with its offset, within the last 90 days."),
        Box(name="until", label="To before", kind=TIME, required=False, help="Now, if empty."),
        Box(name="types", label="Only of these types", type=MANY, choices=TYPES, required=False),
        Box(name="only", label="Which", type="choice", choices=only, value="failed"),
    ]
    says = "the events of a span go out again, the oldest first, behind what is new."
    return _about(session, endpoint_id, title="Replay a span", says=says, verb="Replay it", boxes=boxes)


def _replay(session: Session, operator: Operator, values: dict[str, Any], endpoint_id: str) -> Done:
    failed = values["only"] == "failed"
    span = Span(since=values["since"], until=values["until"], types=values["types"], failed=failed)
    send_again.replay(session, endpoint_id, span, actor=operator.actor, now=operator.now)
    return Done(address("endpoints", endpoint_id))


def _deleted(session: Session, endpoint_id: str) -> Form:
    says = "it is forgotten, with all that was and is to be sent to it. This cannot be undone."
    return _about(session, endpoint_id, title="Delete an endpoint", says=says, verb="Delete it", danger=True)


def _delete(session: Session, operator: Operator, _values: dict[str, Any], endpoint_id: str) -> Done:
    manage_endpoints.remove_endpoint(session, endpoint_id, actor=operator.actor, now=operator.now)
    return Done(address("endpoints"))


_of_one = "/endpoints/<identifier:endpoint_id>/{}".format
change("/endpoints/new", "new_endpoint", _new, _create)
change(_of_one("change"), "endpoint_change", _changed, _change)
change(_of_one("rotate"), "endpoint_rotate", _rotated, _rotate)
change(_of_one("reveal"), "endpoint_reveal", _revealed, _reveal)
change(_of_one("test"), "endpoint_test", _tried, _try)
change(_of_one("disable"), "endpoint_disable", _disabled, _disable)
change(_of_one("enable"), "endpoint_enable", _enabled, _enable)
change(_of_one("replay"), "endpoint_replay", _replayed, _replay)
change(_of_one("delete"), "endpoint_delete", _deleted, _delete)
