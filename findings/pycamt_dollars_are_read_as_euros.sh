#!/usr/bin/env bash
# A payment of 1,200 dollars is read as one of 1,200 euros, and one that came as one that left
#
# Package:  pycamt 1.1.1, Python 3.11
# Expected: a payment in another currency stands in a camt.053 statement with the amount that was booked, and in its
#           details with the amount that was ordered, `AmtDtls/InstdAmt`, in the currency of the order. What is read has
#           either one amount with its own currency, or the booked one.
# Seen:     the amount is the ordered one, the currency that of the booking. Where the details name the bank's charges,
#           their mark DBIT becomes that of the payment. In version 02 of the format, whose details have no amount of
#           their own, this is so for every such payment. The two below are 1,485.00 and are read as 700.00.
# Matters:  an invoice over 1,000 euros is overpaid by 200, and one that was paid is open, for the money seems to have
#           left. Customers abroad are the ones concerned, and tests with payments at home find nothing.
# Instead:  take `Amt` and `CdtDbtInd` of the entry itself from the file, and compare the opening balance, the entries
#           and the closing balance of each statement before using any.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "pycamt==1.1.1"

cat >"$folder/statement.xml" <<'XML'
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>
<GrpHdr><MsgId>M-1</MsgId><CreDtTm>2026-12-01T20:00:00</CreDtTm></GrpHdr>
<Stmt><Id>S-1</Id><CreDtTm>2026-12-01T20:00:00</CreDtTm>
<Acct><Id><IBAN>DE75512108001245126199</IBAN></Id><Ccy>EUR</Ccy></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">1000.00</Amt><CdtDbtInd>CRDT</CdtDbtInd>
  <Dt><Dt>2026-12-01</Dt></Dt></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">2485.00</Amt><CdtDbtInd>CRDT</CdtDbtInd>
  <Dt><Dt>2026-12-01</Dt></Dt></Bal>
<Ntry><Amt Ccy="EUR">1000.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-12-01</Dt></BookgDt>
  <BkTxCd><Prtry><Cd>XBCT</Cd></Prtry></BkTxCd>
  <NtryDtls><TxDtls><Refs><EndToEndId>INV-1</EndToEndId></Refs>
    <AmtDtls><InstdAmt><Amt Ccy="USD">1200.00</Amt></InstdAmt><TxAmt><Amt Ccy="EUR">1000.00</Amt></TxAmt></AmtDtls>
  </TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="EUR">485.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-12-01</Dt></BookgDt>
  <BkTxCd><Prtry><Cd>XBCT</Cd></Prtry></BkTxCd>
  <NtryDtls><TxDtls><Refs><EndToEndId>INV-2</EndToEndId></Refs>
    <AmtDtls><InstdAmt><Amt Ccy="EUR">500.00</Amt></InstdAmt><TxAmt><Amt Ccy="EUR">485.00</Amt></TxAmt></AmtDtls>
    <Chrgs><Amt Ccy="EUR">15.00</Amt><CdtDbtInd>DBIT</CdtDbtInd></Chrgs>
  </TxDtls></NtryDtls></Ntry>
</Stmt></BkToCstmrStmt></Document>
XML

cat >"$folder/expected" <<'OUTPUT'
INV-1: 1200.00 EUR CRDT
INV-2: 500.00 EUR DBIT
read:  700.00
moved: 1485.00
OUTPUT

"$folder/venv/bin/python" - "$folder/statement.xml" <<'PYTHON' | tee "$folder/seen"
import sys
from decimal import Decimal

from pycamt.parser import Camt053Parser

parser = Camt053Parser.from_file(sys.argv[1])
total = Decimal(0)
for entry in parser.get_transactions():
    amount, mark = Decimal(entry["Amount"]), entry["CreditDebitIndicator"]
    print(f"{entry['EndToEndId']}: {amount} {entry['Currency']} {mark}")
    total += amount if mark == "CRDT" else -amount
[statement] = parser.get_statement_info()
print("read: ", total)
print("moved:", Decimal(statement["ClosingBalance"]) - Decimal(statement["OpeningBalance"]))
PYTHON

diff "$folder/expected" "$folder/seen"
