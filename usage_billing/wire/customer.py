"""How a customer looks. Pure."""

from usage_billing.wire.kinds import Email, Identifier, Instant, Text
from usage_billing.wire.noun import Field, Noun

CUSTOMER = Noun(
    "Customer",
    "A customer: who pays.",
    (
        Field("id", Identifier(), "The name that the caller gave it; the `userId` of recordings."),
        Field("name", Text(), "What people call it."),
        Field("email", Email(), "Where its invoices go; null when none is known.", nullable=True),
        Field("createdAt", Instant(), "When it was made."),
    ),
)
