#!/usr/bin/env bash
# A payment of the first of the month is read as one of the last of the month before
#
# Package:  ofxparse 0.21, Python 3.11
# Expected: DTPOSTED is the day of the booking at the bank, with its zone in brackets: 20261201000000[+1:CET] is the first
#           of December.
# Seen:     the zone is taken off and forgotten: a datetime without zone, 30 November 23:00. East of Greenwich, a booking
#           at midnight is always a day early; west of it, one in the evening a day late.
# Matters:  payments fall into the month before, and a payment on the day an invoice is due looks as if it came early.
# Instead:  add the offset that the file names, or read with a library that keeps it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "ofxparse==0.21"

cat >"$folder/expected" <<'OUTPUT'
20261201000000[+1:CET] is read as 2026-11-30 23:00:00, zone None
20261130230000[-5:EST] is read as 2026-12-01 04:00:00, zone None
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import io
import warnings

warnings.simplefilter("ignore")
from ofxparse import OfxParser

FILE = """OFXHEADER:100
DATA:OFXSGML
VERSION:102
SECURITY:NONE
ENCODING:USASCII
CHARSET:1252
COMPRESSION:NONE
OLDFILEUID:NONE
NEWFILEUID:NONE

<OFX><SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS><DTSERVER>20261202<LANGUAGE>ENG</SONRS>
</SIGNONMSGSRSV1><BANKMSGSRSV1><STMTTRNRS><TRNUID>1<STATUS><CODE>0<SEVERITY>INFO</STATUS><STMTRS><CURDEF>EUR
<BANKACCTFROM><BANKID>1<ACCTID>2<ACCTTYPE>CHECKING</BANKACCTFROM><BANKTRANLIST><DTSTART>20261101<DTEND>20261202
<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>{}<TRNAMT>12.50<FITID>1<NAME>payment</STMTTRN>
</BANKTRANLIST><LEDGERBAL><BALAMT>12.50<DTASOF>20261202</LEDGERBAL></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>
"""
for posted in ("20261201000000[+1:CET]", "20261130230000[-5:EST]"):
    (one,) = OfxParser.parse(io.BytesIO(FILE.format(posted).encode())).account.statement.transactions
    print(posted, "is read as", f"{one.date}, zone {one.date.tzinfo}")
PYTHON

diff "$folder/expected" "$folder/seen"
