"""The CloudEvents library before its second version, with a transport that adds the key, by ``cases``."""

from carrying import carry
from cases import go_through
from cloudevents.conversion import to_structured
from cloudevents.http import CloudEvent


def send(address, key, case, bad=False):
    kind = "has blanks" if bad else "tokens"
    attributes = {"id": case, "type": kind, "source": "svc", "subject": "user123", "time": "2026-11-01T12:00:00Z"}
    carry(address, key, *to_structured(CloudEvent(attributes, {"case": case})))


go_through(send)
