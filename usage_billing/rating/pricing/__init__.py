"""The pricing models, one file each; ``MODELS`` is the one line elsewhere that a new model touches."""

from usage_billing.rating.pricing.base import PricingModel
from usage_billing.rating.pricing.per_unit import PerUnit

MODELS: dict[str, type[PricingModel]] = {model.name: model for model in (PerUnit,)}
