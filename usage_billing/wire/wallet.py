"""How wallets, grants and their ledger look. Pure."""

from usage_billing.core.limits import MAX_BIGINT, MAX_UNIT_NAME
from usage_billing.wire.kinds import (
    Choice,
    Currency,
    Flag,
    Held,
    Id,
    Identifier,
    Instant,
    Json,
    Money,
    MoneyOf,
    Quantity,
    Text,
    Whole,
)
from usage_billing.wire.noun import Field, Many, Noun, One, page_of

_NAMES = Json({"type": "array", "items": {"type": "string"}})

UNIT = Noun(
    "WalletUnit",
    "What a wallet holds: units of usage types, or money.",
    (
        Field("unitName", Text(maximum=MAX_UNIT_NAME), "What one unit is called; left out for money.", optional=True),
        Field("usageTypes", _NAMES, "The usage types whose units it pays; left out for money.", optional=True),
        Field("currency", Currency(), "The currency of its money; left out for units.", optional=True),
    ),
)
_WALLET = (
    Field("id", Identifier(), "Its id."),
    Field("userId", Identifier(), "The customer.", attribute="wallet.customer_id"),
    Field(
        "subscriptionId",
        Identifier(),
        "The subscription that it is for; null: for all of the customer's.",
        nullable=True,
    ),
    Field("unit", One(UNIT), "What it holds.", attribute="unit"),
    Field("fees", Flag(), "Whether its money pays base fees too."),
    Field("createdAt", Instant(), "When it was made."),
    Field("uncovered", Choice("charge", "owe"), "What becomes of usage that no grant pays for."),
    Field("overdraft", Held(), "How much may be owed at one time; null where it is charged.", nullable=True),
    Field("closedAt", Instant(), "Since when nothing is put into it any more; null while it is open.", nullable=True),
)
WALLET = Noun("Wallet", "What a customer paid for beforehand, in one unit.", _WALLET, row="wallet")
NEW_WALLET = Noun(
    "MadeWallet",
    "A wallet that was made.",
    (
        *_WALLET,
        Field(
            "warning",
            Text(),
            "What may be wrong with it: no plan of the customer has its currency. Left out otherwise.",
            optional=True,
            attribute="warning",
        ),
    ),
    row="wallet",
)

_GRANT = (
    Field("id", Id(), "Its id."),
    Field("walletId", Identifier(), "The wallet that it is in."),
    Field(
        "category",
        Choice("purchased", "promotional", "adjustment", "rollover"),
        "Whether it was bought, given, corrects, or has what another had left.",
    ),
    Field("priority", Whole(maximum=100), "Grants of a lower one pay first."),
    Field("usageTypes", _NAMES, "The usage types that it is for; null: all of the wallet.", nullable=True),
    Field("subscriptionIds", _NAMES, "The subscriptions that it is for; null: all of the wallet.", nullable=True),
    Field(
        "amount",
        Held(),
        "How much it had, in units or in the wallet's currency, as all of its amounts. What is carried over"
        " moves with late usage until the grant is closed that it comes from; what is left of an allowance until the"
        " grant itself is closed.",
        attribute="amount",
    ),
    Field("effectiveAt", Instant(), "From when on it pays."),
    Field("expiresAt", Instant(), "Until when, exclusive; null: for ever.", nullable=True),
    Field(
        "coversSince",
        Instant(),
        "It also pays for what was used since then and nothing else paid for; null: for nothing earlier.",
        nullable=True,
    ),
    Field("closesAt", Instant(), "When what it did not pay for expires; null: never.", nullable=True),
    Field("cost", MoneyOf(), "What it cost; null for given ones.", nullable=True, attribute="cost"),
    Field("posted", Held(), "What it paid for on final invoices, or until it was closed."),
    Field("takenBack", Held(), "What was taken back."),
    Field("refunded", Held(), "That for which money went back."),
    Field("rolledOver", Held(), "What is carried over to another grant.", attribute="rolled_over"),
    Field("rollsFrom", Id(), "The grant of which it has what was left; null for others.", nullable=True),
    Field(
        "unusedOf",
        Identifier(),
        "The subscription of whose allowance it has what was left; null for others.",
        nullable=True,
    ),
    Field("keptIn", Id(), "The grant that has what a reset kept of it; null for others.", nullable=True),
    Field("activatedAt", Instant(), "Since when it counts; null while it waits to be paid.", nullable=True),
    Field("createdAt", Instant(), "When it was made."),
    Field("scheduleId", Id(), "The schedule of which it is an occurrence; null for others.", nullable=True),
    Field("resetAt", Instant(), "When a reset ended it, before its expiry; null: none did.", nullable=True),
    Field("status", Choice("pending", "active", "closed", "void"), "What it is.", attribute="status"),
    Field("provisional", Held(), "What it pays for at this moment, until that is posted.", attribute="provisional"),
    Field("expired", Held(), "What paid for nothing in time.", attribute="expired"),
    Field("left", Held(), "What is left.", attribute="left"),
)
GRANT = Noun(
    "Grant",
    "An amount in a wallet, and what became of it.",
    (Field("costCurrency", Currency(), "The currency of the cost; null without one.", nullable=True), *_GRANT),
    row="grant",
    money="currency",
)
EXPIRING = Noun(
    "ExpiringAmount",
    "What of a wallet expires at one moment unless it is used before.",
    (
        Field("at", Instant(), "When."),
        Field("left", Held(), "How much is left of the grants that end then, in units or in the wallet's currency."),
    ),
)
CLOSED = Noun(
    "ClosedGrants",
    "What closed and void grants come to, which the sums of the wallet count too.",
    (
        Field("grants", Whole(maximum=MAX_BIGINT), "How many they are."),
        Field("granted", Held(), "What they had, in units or in the wallet's currency, as all amounts."),
        Field("posted", Held(), "What they paid for."),
        Field("expired", Held(), "What paid for nothing in time."),
        Field("takenBack", Held(), "What was taken back."),
        Field("refunded", Held(), "That for which money went back."),
        Field("rolledOver", Held(), "What was carried over from them."),
    ),
)
WALLET_BALANCE = Noun(
    "WalletBalance",
    "A wallet with its grants and its balance as the books are, provisional draws included.",
    (
        *_WALLET,
        Field("asOf", Instant(), "The moment of the balance.", attribute="as_of"),
        Field("granted", Held(), "What all grants had, in units or its currency, as all amounts.", attribute="granted"),
        Field("pending", Held(), "What waits to be paid, and is in no other sum.", attribute="pending"),
        Field("posted", Held(), "What was paid for on final invoices.", attribute="posted"),
        Field("provisional", Held(), "What usage draws at this moment, until it is posted.", attribute="provisional"),
        Field("expired", Held(), "What paid for nothing in time.", attribute="expired"),
        Field("takenBack", Held(), "What was taken back.", attribute="taken_back"),
        Field("refunded", Held(), "That for which money went back.", attribute="refunded"),
        Field("rolledOver", Held(), "What was carried over, and is granted anew.", attribute="rolled_over"),
        Field("left", Held(), "What is left.", attribute="left"),
        Field("owed", Held(), "What usage took that no grant paid for; the next grants repay it.", attribute="owed"),
        Field(
            "available",
            Held(),
            "What is left of grants that hold now, less what is owed: then it may be below 0.",
            attribute="available",
        ),
        Field("asked", Held(), "What it asked for and waits for an answer; it is in no other sum.", attribute="asked"),
        Field("expiring", Many(EXPIRING), "What expires when, the next first.", attribute="expiring"),
        Field(
            "grants",
            Many(GRANT),
            "The grants that are open or wait to be paid, the first made first.",
            attribute="grants",
        ),
        Field("closed", One(CLOSED), "What closed and void grants come to.", attribute="closed"),
    ),
    row="wallet",
    money="wallet.currency",
)

TRANSFER = Noun(
    "WalletTransfer",
    "One movement of units, or of money, between two accounts of a wallet.",
    (
        Field("id", Whole(maximum=MAX_BIGINT), "Its number among all transfers."),
        Field("grantId", Id(), "The grant; null where it is owed.", nullable=True, attribute="grant_id"),
        Field(
            "kind",
            Choice(
                *("sold", "given", "used", "returned", "expired", "taken_back", "refunded"),
                *("rolled_out", "rolled_back", "rolled_in", "rolled_off"),
            ),
            "Why it moved.",
        ),
        Field("debit", Text(), "The account that it went to."),
        Field("credit", Text(), "The account that it came from."),
        Field("amount", Held(), "How much, in units or in the wallet's currency."),
        Field("balance", Held(), "What is in the wallet after it, before what is not posted yet.", attribute="balance"),
        Field("at", Instant(), "When."),
        Field("invoiceId", Id(), "The invoice that became final or void; null without one.", nullable=True),
    ),
    row="transfer",
    money="currency",
)

PROVISIONAL = Noun(
    "ProvisionalDraw",
    "What a grant pays for at this moment, and is not posted; below 0 it is to go back.",
    (
        Field("grantId", Id(), "The grant; null where it is owed.", nullable=True),
        Field("subscriptionId", Identifier(), "The subscription."),
        Field("usageType", Identifier(), "Of what; null for a fee.", nullable=True, attribute="usage_type_id"),
        Field("windowStart", Instant(), "From when on it was used, or the fee is for."),
        Field("amount", Held(), "How much, in units or in the wallet's currency."),
    ),
    money="currency",
)
ENTRIES = Noun(
    "WalletEntriesPage",
    "A page of what moved in a wallet, and, if that is asked for, all that is not posted.",
    (
        *page_of(TRANSFER).fields,
        Field("provisional", Many(PROVISIONAL), "What is not posted; left out unless asked for.", optional=True),
    ),
)

REFUND = Noun(
    "GrantRefund",
    "What was refunded of a grant. The service that takes payments pays the money out.",
    (
        Field("id", Whole(maximum=MAX_BIGINT), "The number of its transfer."),
        Field("walletId", Identifier(), "The wallet."),
        Field("grantId", Id(), "The grant."),
        Field("amount", Quantity(), "How much left the grant."),
        Field("currency", Currency(), "The currency of the money.", attribute="currency"),
        Field("money", Money(), "What goes back to the customer: their part of the cost.", attribute="transfer.cost"),
        Field("at", Instant(), "When."),
        Field(
            "idempotencyKey",
            Identifier(),
            "What makes it once; null without one.",
            nullable=True,
            attribute="transfer.key",
        ),
    ),
    row="transfer",
)
