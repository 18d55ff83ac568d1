#!/usr/bin/env bash
# Two readings an hour apart have the same time
#
# Package:  iec62056 0.5.1 with lark 1.0.0, Python 3.11
# Expected: a Dutch or Belgian meter sends its time as YYMMDDhhmmss and S in summer or W in winter, so that the hour
#           that comes twice in October can be told apart (P1 companion standard, TST). Readings of 02:30 S and 02:30 W
#           are an hour apart, and one of July is summer time.
# Seen:     the letter is parsed and dropped. Every time gets the offset that the computer has at this moment: the two
#           are the same time, and January and July have one offset, whichever season it is read in.
# Matters:  readings are a key by meter and time. One of the two overwrites the other, an hour of consumption moves to
#           another tariff, and half a year is one hour off, which moves what lies at the edge of a month.
# Instead:  read the thirteenth character yourself: S is UTC+2, W is UTC+1.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "iec62056==0.5.1" "lark==1.0.0"

cat >"$folder/expected" <<'OUTPUT'
02:30 S and 02:30 W of the same night: 0:00:00 apart
January and July have the same offset: True
OUTPUT

TZ=Europe/Amsterdam "$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from iec62056.parser import Parser

TELEGRAM = "\r\n".join(
    (
        r"/ISK5\2M550T-1012",
        "",
        "1-3:0.2.8(50)",
        "0-0:1.0.0({time})",
        "1-0:1.8.1(000156.167*kWh)",
        "!D82C",
        "",
    )
)


def read(time):
    telegram = Parser().parse(TELEGRAM.format(time=time))
    return telegram["timestamp"].value


summer, winter = read("261025023000S"), read("261025023000W")
print(f"02:30 S and 02:30 W of the same night: {winter - summer} apart")
january, july = read("260115120000W"), read("260715120000S")
print("January and July have the same offset:", january.utcoffset() == july.utcoffset())
PYTHON

diff "$folder/expected" "$folder/seen"
