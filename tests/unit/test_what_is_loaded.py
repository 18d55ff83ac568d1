"""What a process of the API holds in memory before it is needed."""

import subprocess
import sys

_HEAVY = ("cryptography.fernet", "cryptography.hazmat.bindings._rust", "jwt", "urllib3")
_SCRIPT = f"""
import sys
import api.app
from usage_billing.access.tokens import load_what_verifies
from usage_billing.settings import Settings
print([name for name in {_HEAVY!r} if name in sys.modules])
load_what_verifies(Settings())
print("jwt" in sys.modules)
load_what_verifies(Settings(jwt_secret="a-secret-of-32-characters-or-more"))
print("jwt" in sys.modules)
"""


def test_what_few_processes_need_is_loaded_late_and_what_verifies_tokens_before_processes_are_forked() -> None:
    said = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True, timeout=120)
    assert said.stdout.splitlines() == ["[]", "False", "True"]
