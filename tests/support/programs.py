"""Programs of the system that a test needs: without one it is skipped, but where everything must run it fails."""

import os
import shutil
from typing import NoReturn

import pytest


def find_program(name: str, package: str) -> str:
    """Where the program is; ``package`` is what Debian and Ubuntu install it by."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        cannot(f"{name} is not installed (Debian, Ubuntu: apt install {package})")
    return found


def cannot(why: str) -> NoReturn:
    """Skip the test, or fail it where everything must run."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)
