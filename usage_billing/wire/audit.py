"""How an entry of the audit log looks. Pure."""

from usage_billing.core.limits import MAX_BIGINT
from usage_billing.wire.kinds import Instant, Json, Text, Whole
from usage_billing.wire.noun import Field, Noun

AUDIT_ENTRY = Noun(
    "AuditEntry",
    "One change by one actor.",
    (
        Field("id", Whole(maximum=MAX_BIGINT), "Its number in the log."),
        Field("at", Instant(), "When it was done."),
        Field("actor", Text(), "Who did it, such as `key:ub_1a2b3c4d`, `user:ann` or `beat`."),
        Field("action", Text(), "What was done, such as `subscription.paused`."),
        Field("subject", Text(), "To what, such as `subscription:sub456`."),
        Field("detail", Json(), "More about it."),
    ),
)
