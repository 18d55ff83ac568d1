"""Tax rates: what a category of a country costs, and from when."""

from typing import Any

from api.arguments import Blueprint
from api.auth import caller, requires
from api.locations import makes
from api.pagination import BY_NUMBER, filters_of, listed
from api.schemas.taxes import NewTaxRateSchema, TaxRatesQuery
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import ADMIN
from usage_billing.db.session import read_only
from usage_billing.flows.administration import manage_taxes
from usage_billing.taxes.models import TaxRate
from usage_billing.taxes.queries import rates_where
from usage_billing.taxes.service import NewTaxRate
from usage_billing.wire.noun import page_of
from usage_billing.wire.tax import TAX_RATE

blp = Blueprint("tax-rates", __name__, url_prefix="/api/tax-rates", description="What tax costs.")


@blp.route("", methods=["POST"])
@requires(ADMIN)
@blp.arguments(NewTaxRateSchema)
@blp.response(201, TAX_RATE)
@makes("/api/tax-rates", named=None)
def say_rate(new: NewTaxRate) -> TaxRate:
    """Say a rate. Invoices that are final keep theirs; drafts go by it from now on."""
    with writing() as session:
        return manage_taxes.say_rate(session, new, actor=caller().actor, now=state().clock())


@blp.route("", methods=["GET"])
@requires(ADMIN)
@blp.arguments(TaxRatesQuery, location="query")
@blp.response(200, page_of(TAX_RATE))
def list_rates(query: dict[str, Any]) -> dict[str, Any]:
    """List rates in the order in which they were said: of each country, category and day the one said last."""
    with read_only(state().engine) as session:
        statement = rates_where(**filters_of(query))
        return listed(session, statement, query, noun=TAX_RATE, by=[TaxRate.id], kind=BY_NUMBER)
