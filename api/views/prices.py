"""Prices: what a price would charge, before any plan has it."""

from api.arguments import Blueprint
from api.auth import requires
from api.schemas.prices import PreviewPriceSchema
from usage_billing.access.principal import BILLING_RUN, USAGE_READ, USAGE_WRITE
from usage_billing.reports.preview import Preview, Trial, preview
from usage_billing.wire.preview import PREVIEW

blp = Blueprint("prices", __name__, url_prefix="/api/prices", description="What a price charges.")


@blp.route("/preview", methods=["POST"])
@requires(USAGE_WRITE, USAGE_READ, BILLING_RUN, users=True)
@blp.arguments(PreviewPriceSchema)
@blp.response(200, PREVIEW)
def preview_price(trial: Trial) -> Preview:
    """Rate a quantity by any price, tier by tier; nothing is stored."""
    return preview(trial)
