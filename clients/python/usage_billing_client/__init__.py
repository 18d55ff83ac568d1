"""Records usage with the usage-billing service: in the background, safe to retry, kept when it is away.

::

    usage = UsageClient("http://payment-service:5003", api_key=os.environ["INTERNAL_API_KEY"])
    usage.record("user123", "sub456", "report", 1, {"reportId": "abc123"})
"""

from usage_billing_client._client import UsageClient
from usage_billing_client._errors import NotAllowed, Refused, Undelivered, UsageClientError
from usage_billing_client._options import Tuning
from usage_billing_client._recording import Recording
from usage_billing_client._reporting import Stats

__all__ = ["NotAllowed", "Recording", "Refused", "Stats", "Tuning", "Undelivered", "UsageClient", "UsageClientError"]
__version__ = "0.2.0"
