"""Lago's Python client reads back what was sent and billed. Arguments: the address, the key. Prints a line of JSON."""

import json
import sys

from lago_python_client.client import Client
from lago_python_client.exceptions import LagoApiError


def main(address, key):
    client = Client(api_key=key, api_url=f"{address}/lago/")
    usage = client.customers.current_usage("user123", "sub456")
    invoices = client.invoices.find_all({"external_customer_id": "user123", "per_page": 50})
    subscriptions = client.subscriptions.find_all({"status[]": ["active", "pending"]})
    told = {
        "usage": [[one.billable_metric.code, one.units, one.amount_cents] for one in usage.charges_usage],
        "total": [usage.amount_cents, usage.total_amount_cents, usage.currency],
        "event": client.events.find("one").transaction_id,
        "customers": [one.external_id for one in client.customers.find_all()["customers"]],
        "customer": client.customers.find("user123").name,
        "subscriptions": [one.external_id for one in subscriptions["subscriptions"]],
        "subscription": client.subscriptions.find("sub456").plan_code,
        "wallets": [
            [one.credits_ongoing_balance, one.ongoing_balance_cents]
            for one in client.wallets.find_all({"external_customer_id": "user123"})["wallets"]
        ],
        "metrics": [one.code for one in client.billable_metrics.find_all()["billable_metrics"]],
        "invoices": [[one.lago_id, one.total_due_amount_cents] for one in invoices["invoices"]],
        "meta": invoices["meta"],
        "downloads": [str(client.invoices.download(one.lago_id)) for one in invoices["invoices"] if one.number],
    }
    try:
        client.customers.find("nobody")
    except LagoApiError as error:
        told["missing"] = [error.status_code, error.response["code"]]
    try:
        client.customers.current_usage("user123", "sub456", group={"model": "gpt"})
    except LagoApiError as error:
        told["refused"] = [error.status_code, error.response["error_details"]]
    print(json.dumps(told))


main(*sys.argv[1:])
