"""How an API key looks: never what opens anything, but in the one answer that makes it. Pure."""

from usage_billing.wire.kinds import PLAIN, Choice, Id, Instant, Json, Text, Whole, Words
from usage_billing.wire.noun import Field, Noun

SCOPES = Choice("usage:write", "usage:read", "billing:run", "portal:open", "wallets:write", "webhooks:manage", "admin")

_NAMES = {"type": "array", "items": {"type": "string"}}
_FIELDS = (
    Field("id", Id(), "Its id."),
    Field("prefix", Text(16), "How it begins; it names the key to people."),
    Field("name", Text(128), "Who uses it."),
    Field("scopes", Words(SCOPES), "What it may do."),
    Field("rateLimit", Whole(), "How many requests a minute it may make; null for the usual.", nullable=True),
    Field("createdAt", Instant(), "When it was made."),
    Field("expiresAt", Instant(), "Until when it holds; null for ever.", nullable=True),
    Field("revokedAt", Instant(), "When it was revoked; null before.", nullable=True),
    Field("lastUsedAt", Instant(), "When it was last used, to the minute; null before.", nullable=True),
    Field("source", PLAIN, "The source that it alone records by; null for none.", nullable=True),
    Field("usageTypes", Json(_NAMES), "The usage types that it may record; null for all.", nullable=True),
    Field("userIds", Json(_NAMES), "The customers that it may record for; null for all.", nullable=True),
    Field("replacedBy", Id(), "The key that takes its place; null when none does.", nullable=True),
)

API_KEY = Noun("ApiKey", "What may be known of a key.", _FIELDS)

ISSUED_API_KEY = Noun(
    "IssuedApiKey",
    "A new key.",
    (*_FIELDS, Field("key", Text(), "The key itself, shown this once.", attribute="text")),
    row="row",
)
