"""The pricing models, one file each. Reading, storing and rating a price find its model in ``MODELS``."""

from usage_billing.rating.pricing.base import PricingModel
from usage_billing.rating.pricing.by_dimension import ByDimension
from usage_billing.rating.pricing.flat import Flat
from usage_billing.rating.pricing.graduated import Graduated
from usage_billing.rating.pricing.package import Package
from usage_billing.rating.pricing.per_unit import PerUnit
from usage_billing.rating.pricing.percentage import Percentage
from usage_billing.rating.pricing.volume import Volume

MODELS: dict[str, type[PricingModel]] = {
    model.name: model for model in (PerUnit, Graduated, Volume, Package, Percentage, Flat, ByDimension)
}
