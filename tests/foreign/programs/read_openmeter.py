"""OpenMeter's Python client reads back what was sent. Arguments: the address, the key. Prints a line of JSON."""

import datetime
import json
import sys

from corehttp.exceptions import ResourceNotFoundError
from openmeter import Client

DAY = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)


def main(address, key):
    client = Client(endpoint=f"{address}/openmeter", token=key)
    span = {"from_parameter": DAY, "to": DAY + datetime.timedelta(days=1)}
    told = {
        "meters": [one.slug for one in client.meters.list(page=1, page_size=100)],
        "meter": client.meters.get("tiny").event_type,
        "total": values(client.meters.query_json("tiny", subject=["user123"], **span)),
        "days": values(client.meters.query_json("tiny", window_size="DAY", window_time_zone="Europe/Berlin")),
        "seven": values(client.meters.query_json("tiny", filter_group_by={"text": "7"}, **span)),
        "eight": values(client.meters.query_json("tiny", filter_group_by={"text": "8"}, **span)),
        "posted": values(client.meters.query("tiny", {"filterGroupBy": {"text": ["7"]}, "groupBy": ["text"]})),
        "csv": "".join(client.meters.query_csv("tiny", group_by=["text"], **span)),
        "customers": [one.key for one in client.customers.list().items_property],
        "customer": client.customers.get("user123").usage_attribution.subject_keys,
        "subjects": [one.key for one in client.subjects.list()],
        "access": sorted(client.customer.get_customer_access("user123").entitlements),
    }
    told["minutes"] = values(client.meters.query_json("tiny", window_size="MINUTE", **span))
    told["events"] = [
        [one.event.id, one.customer_id, one.validation_error]
        for one in client.events.list(from_parameter=DAY, limit=50)
    ]
    told["of"] = [one.event.id for one in client.events.list(subject="user123", from_parameter=DAY)]
    told["made"] = [
        client.customers.create({"key": "fresh", "name": "Fresh"}).id,
        client.subjects.upsert([{"key": "fresher", "displayName": "Fresher"}])[0].display_name,
    ]
    left = client.customer_entitlement.get_customer_entitlement_value("user123", "tokens")
    told["left"] = [left.has_access, left.balance, left.usage, left.overage]
    try:
        client.meters.get("nothing")
    except ResourceNotFoundError as error:
        told["missing"] = error.status_code
    try:
        client.meters.query_json("tiny", filter_group_by={"colour": "red"})
    except Exception as error:
        told["refused"] = [error.status_code, error.model.detail]
    print(json.dumps(told))


def values(found):
    return [[repr(row.value), row.window_start.isoformat(), row.group_by] for row in found.data]


main(*sys.argv[1:])
