"""The transport that a CloudEvents library leaves to its user: it adds the key, and raises for a refusal."""

import urllib.request


def carry(address, key, headers, body):
    """Send one message; raises HTTPError for a refusal."""
    request = urllib.request.Request(f"{address}/api/ingest/cloudevents", body, dict(headers), method="POST")
    request.add_header("Authorization", f"Bearer {key}")
    urllib.request.urlopen(request).close()
