"""The CloudEvents library before its second version, with a transport that adds the key."""

import http.client
import sys

from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent


def send(address, key, headers, body):
    connection = http.client.HTTPConnection(address.removeprefix("http://"))
    connection.request("POST", "/api/ingest/cloudevents", body, headers | {"Authorization": f"Bearer {key}"})
    print(connection.getresponse().status)


def main(address, key):
    attributes = {"type": "tokens", "source": "svc", "subject": "user123", "time": "2026-11-01T13:00:00.5+01:00"}
    data = {"tokens": 15, "cost": 0.1}
    send(address, key, *to_structured(CloudEvent(attributes | {"id": "one"}, data)))
    send(address, key, *to_binary(CloudEvent(attributes | {"id": "two"}, data)))
    send(address, key, *to_binary(CloudEvent(attributes | {"id": "two"}, data)))


main(*sys.argv[1:])
