#!/usr/bin/env bash
# One packet in 100 is read as one in 16,484
#
# Package:  netflow 0.12.2, Python 3.11
# Expected: the header of a NetFlow 5 packet ends with two bytes about sampling: the first two bits are the mode, the
#           other fourteen the interval (so the tables that Cisco, IBM and SolarWinds print). A router that samples one
#           packet in 100, mode 1, has `sampling_interval` 100.
# Seen:     `sampling_interval` is the whole of the two bytes: 16484 with mode 1, 32868 with mode 2. It is right only
#           with mode 0, which is that of a router that samples nothing.
# Matters:  who bills traffic multiplies the octets of a sampled flow by the interval. 1.5 MB are billed as 247 MB.
# Instead:  take `sampling_interval & 0x3FFF` as the interval and `>> 14` as the mode, and compare the product with the
#           counters of the router's interface once.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "netflow==0.12.2"

cat >"$folder/expected" <<'OUTPUT'
mode 0: interval 100, 15000 octets were seen, 1500000 sent
mode 1: interval 16484, 15000 octets were seen, 247260000 sent
mode 2: interval 32868, 15000 octets were seen, 493020000 sent
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
import struct
from ipaddress import ip_address

import netflow

FLOW = struct.pack(
    "!4s4s4sHHIIIIHHBBBBHHBBH",
    ip_address("192.0.2.1").packed,
    ip_address("198.51.100.1").packed,
    ip_address("0.0.0.0").packed,
    *(1, 2),  # interfaces
    *(10, 15_000),  # packets and octets
    *(900_000, 990_000),  # milliseconds since the router started
    *(443, 50_000),  # ports
    *(0, 16, 6, 0),
    *(0, 0, 24, 24, 0),
)
for mode in (0, 1, 2):
    header = struct.pack("!HHIIIIBBH", 5, 1, 1_000_000, 1_796_061_600, 0, 1, 0, 0, mode << 14 | 100)
    packet = netflow.parse_packet(header + FLOW)
    interval, octets = packet.header.sampling_interval, packet.flows[0].IN_OCTETS
    print(f"mode {mode}: interval {interval}, {octets} octets were seen, {octets * interval} sent")
PYTHON

diff "$folder/expected" "$folder/seen"
