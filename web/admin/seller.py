"""Who bills, and what tax costs: shown, and said from now on."""

import io
from typing import Any

from flask import Response
from sqlalchemy.orm import Session

from api.pagination import BY_NUMBER
from usage_billing.cli.frame.party_types import IBAN, LANGUAGE, LEGAL_NAME, TAX_ID
from usage_billing.cli.frame.types import EMAIL, NAME
from usage_billing.cli.nouns.tax_file import read_rates
from usage_billing.core.errors import InvalidInput
from usage_billing.customers.parties import Seller
from usage_billing.customers.queries import find_seller
from usage_billing.flows.administration.manage_customers import set_seller
from usage_billing.flows.administration.manage_taxes import say_rates
from usage_billing.taxes.models import TaxRate
from usage_billing.taxes.queries import rates_where
from usage_billing.wire.customer import SELLER
from usage_billing.wire.noun import show
from usage_billing.wire.tax import TAX_RATE
from web.admin.blueprint import address, blp
from web.admin.desk import Desk, Operator
from web.admin.forms import Box, Done, Form, change
from web.admin.frame import framed, query_of
from web.admin.gate import looking
from web.admin.history import last_of
from web.admin.lists import listed
from web.admin.party_boxes import address_boxes, address_in, known_box

_MODES = (("none", "none is shown"), ("rules", "by rules: countries, tax ids and rates"))


@blp.get("/seller")
@looking
def show_seller(desk: Desk) -> Response:
    """Who bills, and the rates that were said, the latest said first; ``country`` chooses."""
    query = query_of("country", "after")
    found = find_seller(desk.session)
    rates = listed(
        desk,
        rates_where(country=query.get("country")),
        query,
        noun=TAX_RATE,
        by=[TaxRate.id],
        kind=BY_NUMBER,
        path=["seller"],
        newest_first=True,
    )
    return framed(
        desk,
        "seller",
        "seller",
        seller=None if found is None else show(SELLER, found),
        rates=rates.rows,
        following=rates.following,
        query=query,
        history=last_of(desk, ["seller"]),
    )


def _form(session: Session) -> Form:
    found = find_seller(session)
    known = {} if found is None else show(SELLER, found)
    mode = known["taxes"]["mode"] if known else "none"
    return Form(
        title="Who bills",
        says="Said as a whole, from now on. Invoices that are final keep the seller that they name.",
        verb="Say it",
        current="seller",
        back=address("seller"),
        boxes=[
            known_box(known, "legalName", "Name on invoices", LEGAL_NAME, required=True),
            *address_boxes(known),
            known_box(known, "taxId", "Tax id", TAX_ID),
            known_box(known, "email", "E-mail", EMAIL, "Where customers reach it."),
            known_box(known, "iban", "IBAN", IBAN, "The account to pay to."),
            known_box(known, "registration", "Registration", NAME, "Where and as what it is registered."),
            known_box(known, "language", "Language", LANGUAGE, "Of documents for customers who said none."),
            Box(name="taxes", label="Tax", type="choice", choices=_MODES, value=mode),
        ],
    )


def _say(session: Session, operator: Operator, values: dict[str, Any]) -> Done:
    where = address_in(values)
    if where is None:
        raise InvalidInput.field("/line1", "a seller needs an address", code="required")
    seller = Seller(
        legal_name=values["legalName"],
        address=where,
        tax_id=values["taxId"],
        email=values["email"],
        iban=values["iban"],
        registration=values["registration"],
        tax_mode=values["taxes"],
        language=values["language"],
    )
    set_seller(session, seller, actor=operator.actor, now=operator.now)
    return Done(address("seller"))


def _rates(_: Session) -> Form:
    return Form(
        title="Tax rates",
        says="Of two for one day the later said holds. A rate that is said already changes nothing.",
        verb="Say them",
        current="seller",
        back=address("seller"),
        boxes=[
            Box(
                name="rates",
                label="Rates, as CSV",
                type="area",
                value="country,category,rate,effectiveFrom\n",
                help="Such as DE,S,19,2021-01-01: per cent, S for the standard rate, AA for a lower one.",
            )
        ],
    )


def _say_rates(session: Session, operator: Operator, values: dict[str, Any]) -> Done:
    try:
        rates = read_rates(io.StringIO(values["rates"]))
    except InvalidInput as error:
        raise InvalidInput.field("/rates", error.message, code=error.code) from None
    say_rates(session, rates, actor=operator.actor, now=operator.now)
    return Done(address("seller"))


change("/seller/change", "seller", _form, _say)
change("/seller/rates", "tax_rates", _rates, _say_rates)
