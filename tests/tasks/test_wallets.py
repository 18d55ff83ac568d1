"""Tasks of wallets: each wallet is looked after by itself."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from tasks import wallets
from tests.prepaid.conftest import JUNE, House, house
from tests.support.books import scalars
from usage_billing.flows.prepaid.close_grants import close_grants

__all__ = ["house"]


def test_a_wallet_that_cannot_be_closed_keeps_no_other_waiting(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task fails all the same, so that it is seen."""
    house.ok("POST", "/api/wallets", {"id": "a", "userId": "ann", "unit": {"currency": "USD"}})
    ends = (JUNE + timedelta(days=1)).isoformat()
    house.clock.now = JUNE
    for name in ("a", "w"):
        grant = {"amount": "5", "idempotencyKey": "k", "effectiveAt": JUNE.isoformat(), "expiresAt": ends}
        house.ok("POST", f"/api/wallets/{name}/grants", grant)

    def close(session: Session, wallet_id: str, **said: object) -> int:
        if wallet_id == "a":
            raise KeyError(wallet_id)
        return close_grants(session, wallet_id, **said)  # type: ignore[arg-type]

    monkeypatch.setattr("tasks.base.engine", lambda: house.engine)
    monkeypatch.setattr(wallets, "close_grants", close)
    with pytest.raises(KeyError):
        wallets.close()
    assert scalars(house.engine, "SELECT status FROM wallet_grants ORDER BY wallet_id") == ["active", "closed"]
