"""Whose usage a subject of an event names."""

from sqlalchemy.orm import Session

from usage_billing.core.errors import InvalidInput
from usage_billing.subscriptions.queries import Contract, contracts_by_id, contracts_of


def contracts_named(session: Session, name: str) -> list[Contract]:
    """What an event with this subject may be recorded under: the subscription of the name, else all of that customer.

    None where there is neither. Raises InvalidInput, code ``ambiguous_subject``, for one of both.
    """
    subscription, customers = contracts_by_id(session, [name]), contracts_of(session, name)
    if subscription and customers and subscription[0].customer_id != name:
        message = f"{name} is a subscription, and another customer too"
        raise InvalidInput.field("/subject", message, code="ambiguous_subject")
    return subscription or customers
