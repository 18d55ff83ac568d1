"""``python -m usage_billing`` is the console script ``usage-billing``."""

from usage_billing.cli import main

if __name__ == "__main__":
    main()
