#!/usr/bin/env bash
# Usage of the customers after the 2,000th has no customer
#
# Package:  opentelemetry-sdk 1.45.2, Python 3.11
# Expected: a counter that is added to with a customer as its attribute has one point per customer.
# Seen:     it has 2,000 with a customer, by the order in which they came, and one that only says
#           otel.metric.overflow: true, with the sum of all others. The sum over all points is right, and nothing is
#           logged. After a restart of the process it may be another 2,000.
# Matters:  who meters by counters bills the first 2,000 customers and, from then on, not one new customer. The totals
#           agree, so no comparison of sums finds it. Attributes multiply: 500 customers by 5 models are above it too.
# Instead:  record events for what is billed. For counters, raise `cardinality_limits` of the reader, and have an alarm
#           on any point with otel.metric.overflow.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "opentelemetry-sdk==1.45.2"

cat >"$folder/expected" <<'OUTPUT'
points: 2001, calls: 25000
calls with a customer: 20000
calls without: [({'otel.metric.overflow': True}, 5000)]
OUTPUT

"$folder/venv/bin/python" - <<'PYTHON' | tee "$folder/seen"
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

reader = InMemoryMetricReader()
calls = MeterProvider(metric_readers=[reader]).get_meter("usage").create_counter("api.calls")
for _ in range(10):
    for number in range(2_500):
        calls.add(1, {"customer": f"customer-{number}"})
metric = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics[0]
points = [(dict(point.attributes), point.value) for point in metric.data.data_points]
print(f"points: {len(points)}, calls: {sum(value for _, value in points)}")
print("calls with a customer:", sum(value for attributes, value in points if "customer" in attributes))
print("calls without:", [point for point in points if "customer" not in point[0]])
PYTHON

diff "$folder/expected" "$folder/seen"
