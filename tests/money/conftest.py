"""What the tests of money stand in."""

import pytest
from sqlalchemy import Engine

from tests.money.house import House, make_house


@pytest.fixture
def house(engine: Engine) -> House:
    """Ann, who may use calls, and a company that bills her."""
    return make_house(engine)
