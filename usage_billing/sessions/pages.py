"""The pages of the portal, by the names under which a session may be restricted to some of them. Pure."""

PAGES = ("overview", "usage", "records", "invoices", "upcoming", "wallets", "prices", "alerts")
LOCALES = ("en", "de", "fr")
"""The languages that the pages speak."""
OPENS = "/portal/open?code="
"""The path that the code of a customer is appended to."""
OPENS_ADMIN = "/admin/open?code="
"""The path that the code of an operator is appended to."""
