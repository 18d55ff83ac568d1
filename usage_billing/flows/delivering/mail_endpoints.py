"""What an endpoint of mail may be: its addresses, and what it can be told."""

from collections.abc import Mapping, Sequence

from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.core.mailboxes import mail_address
from usage_billing.customers.parties import LANGUAGE_RULE, is_language
from usage_billing.mail.telling import FOR_CUSTOMERS
from usage_billing.settings import Settings
from usage_billing.webhooks.models import WebhookEndpoint
from usage_billing.webhooks.states import TO_CUSTOMER, EndpointKind
from usage_billing.wire.event_type import EVERY

MOST_ADDRESSES = 20
_OF_MAIL = frozenset({"to", "language"})


def check_mail_goes(to: str | Sequence[str] | None, settings: Settings) -> None:
    """Raises Conflict, code ``mail_not_configured``, where mail to these addresses would not be sent as it should."""
    if settings.mail_server is None:
        message = "mail is not configured: set USAGE_BILLING_SMTP_URL and USAGE_BILLING_MAIL_FROM"
        raise Conflict(message, code="mail_not_configured")
    if to == TO_CUSTOMER and not settings.public_address:
        message = "mail to customers has a link that turns it off: set USAGE_BILLING_PUBLIC_URL"
        raise Conflict(message, code="mail_not_configured")


def refuse_of_other_kind(said: Mapping[str, object], kind: str) -> None:
    """Raises InvalidInput for a field that is given and is not for endpoints of this kind."""
    for name, value in said.items():
        if value is not None and (name in _OF_MAIL) != (kind == EndpointKind.EMAIL):
            raise InvalidInput.field(f"/{name}", f"is not for an endpoint of the kind {kind}", code="other_kind")


def check_webhook(endpoint: WebhookEndpoint) -> None:
    """Raises Conflict, code ``other_kind``, for an endpoint of mail, which has no secret."""
    if endpoint.kind != EndpointKind.WEBHOOK:
        raise Conflict("mail has no secret", code="other_kind")


def read_language(language: str | None) -> str | None:
    """The language of mail as it is kept; raises InvalidInput."""
    if language is not None and not is_language(language):
        raise InvalidInput.field("/language", LANGUAGE_RULE, code="not_a_language")
    return language


def read_addresses(to: str | Sequence[str] | None) -> list[str] | None:
    """The addresses as they are kept; None for each customer's own. Raises InvalidInput."""
    if to == TO_CUSTOMER:
        return None
    if to is None or isinstance(to, str) or not 1 <= len(to) <= MOST_ADDRESSES:
        message = f'must be "{TO_CUSTOMER}", or a list of 1 to {MOST_ADDRESSES} addresses'
        raise InvalidInput.field("/to", message, code="out_of_range")
    found: list[str] = []
    for index, text in enumerate(to):
        try:
            address = mail_address(text)
        except ValueError as error:
            raise InvalidInput.field(f"/to/{index}", str(error), code="not_an_email") from None
        if address.lower() in map(str.lower, found):
            raise InvalidInput.field(f"/to/{index}", "is named twice", code="repeated")
        found.append(address)
    return found


def types_for_customers(types: Sequence[str]) -> list[str]:
    """What customers are told by mail, all of it for ``["*"]``; raises InvalidInput for a type that is not for them."""
    if list(types) == [EVERY]:
        return list(FOR_CUSTOMERS)
    for index, name in enumerate(types):
        if name not in FOR_CUSTOMERS:
            message = f"customers are told by mail of: {', '.join(FOR_CUSTOMERS)}"
            raise InvalidInput.field(f"/types/{index}", message, code="not_for_customers")
    return list(types)
