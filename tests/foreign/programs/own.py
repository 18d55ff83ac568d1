"""``python own.py ADDRESS KEY FOLDER``: records with our client for Python, and prints what it was told."""

import logging
import sys
from datetime import UTC, datetime
from decimal import Decimal

from usage_billing_client import NotAllowed, Refused, UsageClient

address, key, folder = sys.argv[1:]
logging.disable()
refused: list[list[object]] = []
usage = UsageClient(
    address,
    api_key=key,
    spill=folder,
    on_refused=lambda event, why: refused.append([event["idempotencyKey"], why["code"]]),
)
usage.record("user123", "sub456", "tokens", 1, {"reportId": "abc123"}, idempotency_key="one")
metadata = {"at": datetime(1970, 1, 1, tzinfo=UTC), "bad": float("nan"), "big": 2**60}
usage.record("user123", "sub456", "tokens", 0.1, metadata, idempotency_key="two")
usage.record("user123", "sub456", "tokens", Decimal("0.000000000001"), idempotency_key="three")
usage.record("user123", "sub456", "tokens", 10**12, idempotency_key="four")
usage.record("user123", "sub456", "tokens", 0, idempotency_key="five")
print(usage.flush(10), usage.stats.accepted, refused)
print(usage.record_now("user123", "no-such-subscription", "tokens"))
try:
    usage.record_now("user123", "sub456", "tokens", -1)
except Refused as error:
    print("Refused", error.code)
with UsageClient(address, api_key="not-a-key-of-ours", spill=False) as stranger:
    try:
        stranger.record_now("user123", "sub456", "tokens")
    except NotAllowed:
        print("NotAllowed")
