"""The fields of an endpoint: where it is, what it is told, and how."""

from usage_billing.cli.frame.types import IDENTIFIER, NAME
from usage_billing.webhooks.models import WebhookEndpoint
from usage_billing.webhooks.states import TO_CUSTOMER, EndpointKind
from usage_billing.wire.event_type import EventType
from web.admin.forms import MANY, Box
from web.admin.kinds import ADDRESSES, ENDPOINT_URL, SENDS

_NO_YES = (("no", "no"), ("yes", "yes"))
TYPES = tuple((str(one), str(one)) for one in EventType)


def endpoint_boxes(known: WebhookEndpoint | None = None) -> list[Box]:
    """What is asked of an endpoint, with what is known of it."""
    customer, rate, words = (None, None, None)
    types = [] if known is None else known.types or []
    if known is not None:
        customer, rate, words = known.customer_id, known.rate_per_second, known.description
    help = "None chosen: all of them."
    return [
        *_where(known),
        Box(
            name="types",
            label="What it is told",
            type=MANY,
            choices=TYPES,
            chosen=types,
            required=False,
            help=help,
        ),
        Box(
            name="userId",
            label="Only about the customer",
            kind=IDENTIFIER,
            value=customer or "",
            required=False,
            help="About all, if empty.",
        ),
        Box(
            name="ordered",
            label="The events of a customer wait for each other",
            type="choice",
            choices=_NO_YES,
            value="yes" if known is not None and known.ordered else "no",
        ),
        Box(
            name="ratePerSecond",
            label="How many a second at most",
            kind=SENDS,
            value="" if rate is None else str(rate),
            required=False,
            help="As they come, if empty.",
        ),
        Box(name="description", label="What it is", kind=NAME, value=words or "", required=False),
    ]


def _where(known: WebhookEndpoint | None) -> list[Box]:
    """Where an endpoint is: a URL, or addresses of mail with a language. One that is there stays of its kind."""
    url, to, language = (
        ("", "", "") if known is None else (known.url, "\n".join(known.recipients or ()), known.language)
    )
    webhook = Box(
        name="url",
        label="URL",
        kind=ENDPOINT_URL,
        value=url or "",
        required=known is not None,
        help="https://..., of a public host; empty for mail.",
    )
    mail = [
        Box(
            name="to",
            label="Or mail to",
            kind=ADDRESSES,
            type="area",
            rows=2,
            value=to if known is None or known.recipients else TO_CUSTOMER,
            required=known is not None,
            help="One address a line; customer for each customer's own.",
        ),
        Box(
            name="language",
            label="Language of the mail",
            value=language or "",
            required=False,
            help="Of those who said none, such as de; English, if empty.",
        ),
    ]
    if known is None:
        return [webhook, *mail]
    return [webhook] if known.kind == EndpointKind.WEBHOOK else mail
