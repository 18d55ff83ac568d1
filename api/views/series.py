"""Usage over time."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from api.arguments import Blueprint
from api.auth import caller, requires
from api.schemas.series import SeriesQuery
from api.state import state
from usage_billing.access.principal import USAGE_READ
from usage_billing.core.errors import FieldError, InvalidInput, NotFound
from usage_billing.db.session import read_only
from usage_billing.reports.series import SeriesRequest, UsageSeries, usage_series
from usage_billing.subscriptions.queries import Contract, contracts_of, get_contract
from usage_billing.wire.series import USAGE_SERIES

blp = Blueprint("usage over time", __name__, url_prefix="/api/usage", description="What meters counted, by windows.")


@blp.route("/subscription/<identifier:subscription_id>/series", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.arguments(SeriesQuery, location="query")
@blp.response(200, USAGE_SERIES)
def show_subscription_series(asked: SeriesRequest, subscription_id: str) -> UsageSeries:
    """Show what a meter counted under a subscription: by hours, days, weeks or months, and by dimensions."""
    with read_only(state().engine) as session:
        agreed = get_contract(session, subscription_id)
        if not caller().may_see(agreed.customer_id):
            raise NotFound(f"there is no subscription {subscription_id}")
        return _series(session, [agreed], asked)


@blp.route("/user/<identifier:customer_id>/series", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.arguments(SeriesQuery, location="query")
@blp.response(200, USAGE_SERIES)
def show_user_series(asked: SeriesRequest, customer_id: str) -> UsageSeries:
    """Show what a meter counted under all subscriptions of a user; the time zone is the first one's unless given."""
    if not caller().may_see(customer_id):
        raise NotFound(f"there is no customer {customer_id}")
    with read_only(state().engine) as session:
        contracts = contracts_of(session, customer_id)
        if not contracts:
            raise NotFound(f"there is no subscription of a customer {customer_id}")
        return _series(session, contracts, asked)


def _series(session: Session, contracts: Sequence[Contract], asked: SeriesRequest) -> UsageSeries:
    """The series; what is wrong is told by the names of parameters."""
    try:
        return usage_series(session, contracts, asked, now=state().clock())
    except InvalidInput as error:
        fields = tuple(FieldError(f"?{one.pointer[1:]}", one.message, one.code) for one in error.fields)
        raise InvalidInput(error.message, code=error.code, fields=fields) from error
