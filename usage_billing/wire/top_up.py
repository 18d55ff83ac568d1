"""How the rule by which a wallet asks for more, and what it asked for, look. Pure."""

from usage_billing.core.limits import MAX_COUNT, MAX_NAME
from usage_billing.wire.kinds import Choice, Currency, Held, Id, Identifier, Instant, Text, Whole
from usage_billing.wire.noun import Field, Noun, One

AT_MOST = Noun(
    "TopUpsAtMost",
    "How often a wallet may ask: so many times within the last hour, day, week or 30 days.",
    (
        Field("count", Whole(minimum=1, maximum=MAX_COUNT), "How many times."),
        Field("per", Choice("hour", "day", "week", "month"), "Within which time; a month has 30 days."),
    ),
)
TOP_UP_RULE = Noun(
    "TopUpRule",
    "When a wallet asks for more, and for what.",
    (
        Field("walletId", Identifier(), "The wallet."),
        Field("currency", Currency(), "Of its money; null: units.", nullable=True, attribute="currency"),
        Field("below", Held(), "It asks once less than this is available."),
        Field("amount", Held(), "For so much; null where something else is said.", nullable=True),
        Field("upTo", Held(), "For what brings it up to this; null where something else is said.", nullable=True),
        Field("packageId", Identifier(), "For this package; null where something else is said.", nullable=True),
        Field("atMost", One(AT_MOST), "How often it may ask; null: as often.", nullable=True, attribute="at_most"),
        Field("cooldownSeconds", Whole(), "So long after it asked it does not ask again."),
        Field("waitsUntil", Instant(), "It does not ask before this, as it was not paid; null: may.", nullable=True),
        Field("endedAt", Instant(), "When the rule was ended; null while it holds.", nullable=True),
    ),
    row="rule",
    money="currency",
)
TOP_UP = Noun(
    "TopUp",
    "What a wallet asked for, and what became of that.",
    (
        Field("id", Id(), "Its id."),
        Field("walletId", Identifier(), "The wallet."),
        Field("currency", Currency(), "Of its money; null: units.", nullable=True, attribute="currency"),
        Field("cycle", Whole(minimum=1), "Its number among those of the wallet."),
        Field("state", Choice("asked", "paid", "failed", "expired"), "What it is."),
        Field("amount", Held(), "How much was asked for."),
        Field("packageId", Identifier(), "As this package; null without one.", nullable=True),
        Field("available", Held(), "What was available when it asked."),
        Field("askedAt", Instant(), "When it asked."),
        Field("expiresAt", Instant(), "Until when it can be answered, exclusive."),
        Field("answeredAt", Instant(), "When it was answered, or expired; null while it waits.", nullable=True),
        Field("grantId", Id(), "The grant that paid it; null without one.", nullable=True),
        Field("reference", Text(maximum=MAX_NAME), "What names the payment; null where not said.", nullable=True),
        Field("reason", Text(maximum=MAX_NAME), "Why it was not paid; null where not said.", nullable=True),
    ),
    row="top_up",
    money="currency",
)
