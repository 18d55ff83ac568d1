#!/usr/bin/env bash
# A payment that the bank has only announced stands among those that came
#
# Package:  bankstatementparser 0.0.29, Python 3.11
# Expected: an entry of a camt statement has a status: BOOK, PDNG or INFO. Entries that are not booked are told apart, or
#           left out of the total, which is to explain the step from the opening balance to the closing one.
# Seen:     the rows have no status at all, and `total_amount` adds the pending entry: 1,000.00 + 600.00 beside a closing
#           balance of 1,100.00.
# Matters:  an invoice is marked as paid by a payment that may never be booked, and counted again when it is.
# Instead:  read `Sts` from the file, and compare opening balance, entries and closing balance before using any.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "bankstatementparser==0.0.29"

cat >"$folder/expected" <<'OUTPUT'
columns that tell the status: []
opening 1000.00 + total 600.00, closing 1100.00
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import logging
import tempfile
from pathlib import Path

from bankstatementparser import CamtParser

logging.disable()
ENTRY = """<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>{status}</Sts>
<BookgDt><Dt>2026-11-30</Dt></BookgDt><ValDt><Dt>2026-11-30</Dt></ValDt><BkTxCd><Prtry><Cd>1</Cd></Prtry></BkTxCd></Ntry>"""
BALANCE = """<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd>
<Dt><Dt>2026-11-30</Dt></Dt></Bal>"""
STATEMENT = f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>
<GrpHdr><MsgId>1</MsgId><CreDtTm>2026-11-30T20:00:00</CreDtTm></GrpHdr>
<Stmt><Id>1</Id><CreDtTm>2026-11-30T20:00:00</CreDtTm><Acct><Id><IBAN>DE89370400440532013000</IBAN></Id></Acct>
{BALANCE.format(code="OPBD", amount="1000.00")}{BALANCE.format(code="CLBD", amount="1100.00")}
{ENTRY.format(amount="100.00", status="BOOK")}{ENTRY.format(amount="500.00", status="PDNG")}
</Stmt></BkToCstmrStmt></Document>"""
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "statement.xml"
    path.write_text(STATEMENT)
    parser = CamtParser(str(path))
    rows, summary = parser.parse(), parser.get_summary()
columns = [name for name in rows.columns if set(rows[name].astype(str)) & {"BOOK", "PDNG"}]
print("columns that tell the status:", columns)
opening, total, closing = (summary[name] for name in ("opening_balance", "total_amount", "closing_balance"))
print(f"opening {opening} + total {total}, closing {closing}")
PYTHON

diff "$folder/expected" "$folder/seen"
