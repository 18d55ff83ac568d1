"""The real program on a machine whose clock is wrong: ``python -m tests.support.shifted SECONDS ARGUMENTS...``."""

import datetime as standard
import sys
from typing import Any

from usage_billing.core import clock


class _Shifted(standard.datetime):
    """A datetime whose present is so many seconds off."""

    off = standard.timedelta(0)

    @classmethod
    def now(cls, tz: Any = None) -> "_Shifted":
        return super().now(tz) + cls.off


if __name__ == "__main__":
    _Shifted.off = standard.timedelta(seconds=int(sys.argv.pop(1)))
    clock.datetime = _Shifted  # type: ignore[misc]
    from usage_billing.cli import main

    main()
