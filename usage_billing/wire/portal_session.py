"""How a session on a customer's pages looks: its link stands in the one answer that makes it. Pure."""

from usage_billing.core.limits import MAX_URL
from usage_billing.wire.kinds import Id, Identifier, Instant, Text
from usage_billing.wire.noun import Field, Noun

_FIELDS = (
    Field("id", Id(), "By which it is ended."),
    Field("userId", Identifier(), "Whose pages.", attribute="row.customer_id"),
    Field("expiresAt", Instant(), "Until when the pages can be looked at, once they are open."),
)

PORTAL_SESSION = Noun(
    "PortalSession",
    "A browser's look at a customer's pages.",
    (
        Field("id", Id(), "By which it is ended."),
        Field("userId", Identifier(), "Whose pages.", attribute="customer_id"),
        Field("expiresAt", Instant(), "Until when the pages can be looked at."),
        Field("endedAt", Instant(), "When it was ended; null before.", nullable=True),
    ),
)

ISSUED_PORTAL_SESSION = Noun(
    "IssuedPortalSession",
    "A link to a customer's pages.",
    (
        *_FIELDS,
        Field("url", Text(maximum=MAX_URL), "Opens the pages: once, within 60 seconds.", attribute="url"),
    ),
    row="row",
)
