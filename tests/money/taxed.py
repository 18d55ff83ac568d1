"""A seller whose tax is reckoned by rules, in the fewest words."""

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine

from tests.money.house import House, make_house
from usage_billing.core.clock import utc_now
from usage_billing.customers.parties import Address, Seller
from usage_billing.customers.service import CustomerChanges
from usage_billing.db.session import transaction
from usage_billing.flows.administration.manage_catalog import PlanChanges, change_plan
from usage_billing.flows.administration.manage_customers import change_customer, set_seller
from usage_billing.flows.administration.manage_taxes import say_rates
from usage_billing.taxes.service import NewTaxRate

NOW = utc_now()


def at(country: str) -> Address:
    return Address(line1="1", city="Town", country=country)


def sell(engine: Engine, mode: str = "rules") -> None:
    seller = Seller(legal_name="Halden GmbH", address=at("DE"), tax_id="DE136695976", tax_mode=mode)
    with transaction(engine) as session:
        set_seller(session, seller, actor="test", now=NOW)


def rate(engine: Engine, percent: str, *, since: str = "2021-01-01", country: str = "DE", category: str = "S") -> None:
    new = NewTaxRate(
        country=country, category=category, rate=Decimal(percent), effective_from=date.fromisoformat(since)
    )
    with transaction(engine) as session:
        say_rates(session, [new], actor="test", now=NOW)


def buyer(engine: Engine, **changes: Any) -> None:
    with transaction(engine) as session:
        change_customer(session, "ann", CustomerChanges(**changes), actor="test", now=NOW)


def taxed(engine: Engine, **terms: Any) -> House:
    """Ann in Germany, where 19 % and 7 % hold; a fee of 10.00 at the lower rate and a dime a call."""
    house = make_house(engine)
    house.plan("a", fee=terms.pop("fee", "10"), **terms)
    house.quota("a", "0")
    with transaction(engine) as session:
        change_plan(session, "a", PlanChanges(tax_category="AA"), actor="test", now=NOW)
    sell(engine)
    rate(engine, "19")
    rate(engine, "7", category="AA")
    buyer(engine, address=at("DE"))
    house.subscribe()
    return house
