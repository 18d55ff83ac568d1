"""The seller: who bills."""

from api.arguments import Blueprint
from api.auth import caller, requires
from api.etags import check_match, tagged, takes_if_match
from api.schemas.customers import NewSellerSchema
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import ADMIN
from usage_billing.customers.models import SellerVersion
from usage_billing.customers.parties import Seller
from usage_billing.customers.queries import get_seller
from usage_billing.db.session import read_only
from usage_billing.flows.administration import manage_customers
from usage_billing.wire.customer import SELLER

blp = Blueprint("seller", __name__, url_prefix="/api/seller", description="Who bills.")


@blp.route("", methods=["GET"])
@requires(ADMIN)
@blp.response(200, SELLER)
@tagged
def show_seller() -> SellerVersion:
    """Show who bills; 404 while it was not said."""
    with read_only(state().engine) as session:
        return get_seller(session)


@blp.route("", methods=["PUT"])
@requires(ADMIN)
@blp.arguments(NewSellerSchema)
@blp.response(200, SELLER)
@tagged
@takes_if_match
def set_seller(seller: Seller) -> SellerVersion:
    """Say who bills from now on. Invoices that are final keep the seller that they name."""
    with writing() as session:
        check_match(SELLER, lambda: get_seller(session))
        return manage_customers.set_seller(session, seller, actor=caller().actor, now=state().clock())
