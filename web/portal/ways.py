"""The way back from a session that is over."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from usage_billing.sessions.models import PortalSession
from web.numbers import Writer


def way_back(row: PortalSession | None, writer: Writer) -> dict[str, str] | None:
    """Where the operator's service makes a new session, and is told why; None where it did not say."""
    if row is None or not row.refresh_url:
        return None
    parts = urlsplit(row.refresh_url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), ("reason", "expired")]
    url = urlunsplit(parts._replace(query=urlencode(query)))
    return {"url": url, "word": writer.say("Open it again")}
