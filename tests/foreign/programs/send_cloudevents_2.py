"""The CloudEvents library since its second version, with a transport that adds the key."""

import datetime
import http.client
import sys

from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent


def send(address, key, message):
    connection = http.client.HTTPConnection(address.removeprefix("http://"))
    headers = dict(message.headers) | {"Authorization": f"Bearer {key}"}
    connection.request("POST", "/api/ingest/cloudevents", message.body, headers)
    print(connection.getresponse().status)


def main(address, key):
    zone = datetime.timezone(datetime.timedelta(hours=2))
    when = datetime.datetime(2026, 11, 1, 14, tzinfo=zone)
    attributes = {"type": "tokens", "source": "svc", "subject": "user123", "time": when, "specversion": "1.0"}
    data = {"tokens": 15, "cost": 0.1}
    send(address, key, to_structured_event(CloudEvent(attributes | {"id": "one"}, data)))
    send(address, key, to_binary_event(CloudEvent(attributes | {"id": "two"}, data)))


main(*sys.argv[1:])
