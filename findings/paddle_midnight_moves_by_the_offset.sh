#!/usr/bin/env bash
# A subscription that is to be billed at midnight in New York is billed five hours earlier
#
# Package:  paddle-python-sdk 1.16.1, Python 3.11
# Expected: a time with an offset is the same moment when it is sent: midnight of 1 January in New York is
#           2027-01-01T05:00:00Z. The class for times names RFC 3339 as its format, in which the offset is a part of the
#           time, and accepts one.
# Seen:     the offset is thrown away and Z is written behind what the clock showed: 2027-01-01T00:00:00Z, as if it had
#           been UTC. It is so for the text, for a datetime, in the body of a change and in the query of a list.
# Matters:  a subscription is billed, and a discount ends, five hours early in New York, and an hour late in Berlin. A
#           list of what was billed in a month has the hours of another month in it, and lacks those of its own.
# Instead:  give `value.astimezone(timezone.utc)` always.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "paddle-python-sdk==1.16.1"

cat >"$folder/expected" <<'OUTPUT'
2027-01-01T00:00:00-05:00 is 2027-01-01T05:00:00+00:00
   {"next_billed_at": "2027-01-01T00:00:00.000000Z"}
   {"billing_period": {"starts_at": "2027-01-01T00:00:00.000000Z", "ends_at": "2027-02-01T00:00:00.000000Z"}}
   {'billed_at[GTE]': '2027-01-01T00:00:00.000000Z'}
2027-01-01T00:00:00+01:00 is 2026-12-31T23:00:00+00:00
   {"next_billed_at": "2027-01-01T00:00:00.000000Z"}
   {"billing_period": {"starts_at": "2027-01-01T00:00:00.000000Z", "ends_at": "2027-02-01T00:00:00.000000Z"}}
   {'billed_at[GTE]': '2027-01-01T00:00:00.000000Z'}
2027-01-01T00:00:00+00:00 is 2027-01-01T00:00:00+00:00
   {"next_billed_at": "2027-01-01T00:00:00.000000Z"}
   {"billing_period": {"starts_at": "2027-01-01T00:00:00.000000Z", "ends_at": "2027-02-01T00:00:00.000000Z"}}
   {'billed_at[GTE]': '2027-01-01T00:00:00.000000Z'}
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from datetime import datetime, timedelta, timezone

from paddle_billing.Client import Client
from paddle_billing.Entities.DateTime import DateTime
from paddle_billing.Entities.Shared import TimePeriod
from paddle_billing.Resources.Shared.Operations import Comparator, DateComparison
from paddle_billing.Resources.Subscriptions.Operations import UpdateSubscription
from paddle_billing.Resources.Transactions.Operations import ListTransactions, UpdateTransaction

NEW_YORK, BERLIN = timezone(timedelta(hours=-5)), timezone(timedelta(hours=1))
for zone in (NEW_YORK, BERLIN, timezone.utc):
    begin, end = datetime(2027, 1, 1, tzinfo=zone), datetime(2027, 2, 1, tzinfo=zone)
    print(begin.isoformat(), "is", begin.astimezone(timezone.utc).isoformat())
    print("  ", Client.serialize_json_payload(UpdateSubscription(next_billed_at=DateTime(begin.isoformat()))))
    print("  ", Client.serialize_json_payload(UpdateTransaction(billing_period=TimePeriod(begin, end))))
    print("  ", ListTransactions(billed_at=DateComparison(begin, Comparator.GTE)).get_parameters())
PYTHON

diff "$folder/expected" "$folder/seen"
