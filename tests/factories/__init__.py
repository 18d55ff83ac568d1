"""What tests are about, made by the real services with everything given a sensible default.

The world of the founding document is ``make_world(session)``: user123 on plan business with sub456.
"""

from tests.factories.catalog import make_plan, make_quota, make_usage_type
from tests.factories.customers import make_customer, make_subscription
from tests.factories.recordings import make_recording, record
from tests.factories.world import make_world

__all__ = [
    "make_customer",
    "make_plan",
    "make_quota",
    "make_recording",
    "make_subscription",
    "make_usage_type",
    "make_world",
    "record",
]
