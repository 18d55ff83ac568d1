#!/usr/bin/env bash
# The customers 66, 0066 and B are one customer
#
# Package:  pyrad 2.6.0, Python 3.11
# Expected: a server names the customer in the attribute `Class`, and the access device puts the same octets into each
#           record of traffic (RFC 2865, 5.25). The text "0066" is sent as its four octets, as "acme" is. The
#           documentation of the type `octets` names one exception: a text that begins with 0x is hexadecimal.
# Seen:     a text of digits is sent as a number in as few octets as it needs. "66" and "0066" are one octet, and so is
#           "B", the same one. A year and a running number, "2026000417", is four octets that no longer say so.
# Matters:  the records of three customers come back with one name, and their traffic adds up on one invoice. Those
#           whose names have a letter in them are kept apart, which is what one tests with.
# Instead:  give bytes: "0066".encode() arrives as it is.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "pyrad==2.6.0"

cat >"$folder/expected" <<'OUTPUT'
acme       comes back as b'acme'
66         comes back as b'B'
0066       comes back as b'B'
B          comes back as b'B'
2026000417 comes back as b'x\xc2P!'
octets of customer b'B': 9000000
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from collections import Counter
from io import StringIO

from pyrad.dictionary import Dictionary
from pyrad.packet import AcctPacket, AuthPacket

DICTIONARY = Dictionary(StringIO("ATTRIBUTE Class 25 octets\nATTRIBUTE Acct-Output-Octets 43 integer\n"))
SECRET = b"shared with the device"
traffic = Counter()
for number, customer in enumerate(("acme", "66", "0066", "B", "2026000417"), 1):
    request = AuthPacket(secret=SECRET, dict=DICTIONARY, authenticator=AuthPacket.CreateAuthenticator())
    reply = request.CreateReply()
    reply["Class"] = customer
    # The device: what stood in the reply goes into the record of the traffic.
    [octets] = AuthPacket(packet=reply.ReplyPacket(), secret=SECRET, dict=DICTIONARY)["Class"]
    record = AcctPacket(secret=SECRET, dict=DICTIONARY)
    record["Class"], record["Acct-Output-Octets"] = octets, number * 1_000_000
    # The accounting server.
    received = AcctPacket(packet=record.RequestPacket(), secret=SECRET, dict=DICTIONARY)
    [name], [sent] = received["Class"], received["Acct-Output-Octets"]
    print(f"{customer:10} comes back as {name}")
    traffic[name] += sent
print(f"octets of customer b'B': {traffic[b'B']}")
PYTHON

diff "$folder/expected" "$folder/seen"
