"""The CloudEvents library since its second version, with a transport that adds the key, by ``cases``."""

import datetime

from carrying import carry
from cases import go_through
from cloudevents.core.bindings.http import to_binary_event
from cloudevents.core.v1.event import CloudEvent


def send(address, key, case, bad=False):
    kind = "has blanks" if bad else "tokens"
    attributes = {"id": case, "type": kind, "source": "svc", "subject": "user123", "specversion": "1.0"}
    attributes["time"] = datetime.datetime(2026, 11, 1, 12, tzinfo=datetime.UTC)
    attributes["datacontenttype"] = "application/json"  # else urllib says that it is a form
    message = to_binary_event(CloudEvent(attributes, {"case": case}))
    carry(address, key, message.headers, message.body)


go_through(send)
