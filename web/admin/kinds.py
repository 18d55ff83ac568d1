"""Kinds of text that forms read and commands do not: several things in one field, one a line."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from api.state import state
from usage_billing.cli.frame.kind import Kind
from usage_billing.cli.frame.types import IDENTIFIER, PRICE_OF, QUANTITY
from usage_billing.core.errors import InvalidInput
from usage_billing.core.limits import MAX_COUNT, MAX_RATE
from usage_billing.flows.prepaid.manage_top_ups import MAX_COOLDOWN
from usage_billing.webhooks.judging import judged
from usage_billing.webhooks.states import TO_CUSTOMER
from usage_billing.wire.usage_type import MAX_SERIES

_DIGITS = 12
MAX_SENDS = 1000


class WholeKind(Kind):
    """A whole number within bounds."""

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def read(self, text: str) -> int:
        """The number."""
        plain = text.isascii() and text.isdigit() and len(text) <= _DIGITS
        if not plain or not self._least <= int(text) <= self._most:
            raise ValueError(f"must be a whole number from {self._least} to {self._most}")
        return int(text)


class IdentifiersKind(Kind):
    """Identifiers, one a line."""

    def read(self, text: str) -> tuple[str, ...]:
        """The identifiers, in order."""
        return tuple(IDENTIFIER.read(line.strip()) for line in text.splitlines() if line.strip())


class QuantitiesKind(Kind):
    """Quantities, one a line."""

    def read(self, text: str) -> tuple[Decimal, ...]:
        """The quantities, in order."""
        found = (QUANTITY.read(line.strip()) for line in text.splitlines() if line.strip())
        return tuple(one for one in found if one is not None)


class DimensionsKind(Kind):
    """Dimensions of a meter, one a line: a field, or NAME=EXPRESSION."""

    def read(self, text: str) -> tuple[str | Mapping[str, Any], ...]:
        """The dimensions as a request has them."""
        found: list[str | Mapping[str, Any]] = []
        for line in filter(None, (line.strip() for line in text.splitlines())):
            name, equals, expression = line.partition("=")
            found.append({"as": name.strip(), "value": expression.strip()} if equals else line)
        return tuple(found)


class PricesKind(Kind):
    """Usage types with their prices, TYPE=JSON, one a line."""

    def read(self, text: str) -> list[tuple[str, dict[str, Any]]]:
        """Each usage type and its price."""
        return [PRICE_OF.read(line.strip()) for line in text.splitlines() if line.strip()]


class EndpointUrlKind(Kind):
    """A URL that the service would call; it is judged anew at every try."""

    def read(self, text: str) -> str:
        """The text itself."""
        try:
            judged(text, allowed=state().settings.webhook_networks_allowed)
        except InvalidInput as error:
            raise ValueError(error.fields[0].message) from None
        return text


class AddressesKind(Kind):
    """Addresses of mail, one a line, or the word that stands for each customer's own."""

    def read(self, text: str) -> str | list[str]:
        """The addresses, which are judged where they are stored."""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return TO_CUSTOMER if lines == [TO_CUSTOMER] else lines


ADDRESSES = AddressesKind()
ENDPOINT_URL = EndpointUrlKind()
SENDS = WholeKind(1, MAX_SENDS)
RATE = WholeKind(1, MAX_RATE)
COUNT = WholeKind(1, MAX_COUNT)
DAYS = WholeKind(0, MAX_COUNT)
PRIORITY = WholeKind(0, 100)
PERCENT = WholeKind(1, 100)
COOLDOWN = WholeKind(0, MAX_COOLDOWN)
LAST = WholeKind(1, 100)
SERIES = WholeKind(1, MAX_SERIES)
IDENTIFIERS = IdentifiersKind()
QUANTITIES = QuantitiesKind()
DIMENSIONS = DimensionsKind()
PRICES = PricesKind()
