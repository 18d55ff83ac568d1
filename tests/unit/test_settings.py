"""Settings: what cannot be used is refused in one line that names the variable."""

import pytest

from usage_billing.core.errors import ConfigurationError
from usage_billing.settings import Settings


def test_networks_of_gateways_are_read_once() -> None:
    settings = Settings.from_environment({"USAGE_BILLING_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::/32"})
    assert [str(network) for network in settings.trusted_networks] == ["10.0.0.0/8", "2001:db8::/32"]


@pytest.mark.parametrize("wrong", ["gateway", "10.0.0.1/8", "10.0.0.0/33", "*"])
def test_what_is_no_network_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^USAGE_BILLING_TRUSTED_PROXIES must be networks"):
        Settings.from_environment({"USAGE_BILLING_TRUSTED_PROXIES": wrong})


@pytest.mark.parametrize("name", ["USAGE_BILLING_ADMIN_KEY", "INTERNAL_API_KEY"])
@pytest.mark.parametrize("wrong", ["short", "x" * 257, "sixteen or more \u00e4"])
def test_a_key_that_cannot_hold_is_named(name: str, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must have 16 to 256 printable ASCII characters"):
        Settings.from_environment({name: wrong})
