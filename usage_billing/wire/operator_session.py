"""How a link to the admin pages looks. Pure."""

from usage_billing.core.limits import MAX_URL
from usage_billing.wire.kinds import Id, Instant, Text
from usage_billing.wire.noun import Field, Noun

OPERATOR_LINK = Noun(
    "OperatorLink",
    "A link to the admin pages.",
    (
        Field("id", Id(), "The session that it opens."),
        Field("actor", Text(), "Who the audit log says was there."),
        Field("expiresAt", Instant(), "Until when the pages can be looked at, once they are open."),
        Field("url", Text(maximum=MAX_URL), "Opens the pages: once, within 60 seconds.", attribute="url"),
    ),
    row="row",
)
