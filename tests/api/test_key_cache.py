"""The cache of keys: fresh for seconds, trusted for minutes when the database is away, bounded."""

import threading

import pytest

from api import key_cache
from api.key_cache import KeyCache
from usage_billing.access.principal import Principal
from usage_billing.core.errors import NotAuthenticated, Unavailable

PRINCIPAL = Principal(actor="key:test", scopes=frozenset({"usage:write"}))


class Directory:
    """What the cache asks, with a clock beside it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.failure: Exception | None = None

    def load(self, _: str) -> Principal:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return PRINCIPAL

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def cache(directory: Directory) -> KeyCache:
    return KeyCache(directory.load, secret="s" * 32, fresh_seconds=5, monotonic=directory.monotonic)


def test_a_key_is_looked_up_once_in_a_while(cache: KeyCache, directory: Directory) -> None:
    for _ in range(10):
        assert cache.find("key", trusting=False) is PRINCIPAL
    directory.now += 4.9
    cache.find("key", trusting=True)
    assert directory.asked == 1
    directory.now += 0.1
    cache.find("key", trusting=True)
    assert directory.asked == 2


def test_while_the_database_is_away_a_key_is_trusted_for_recording(cache: KeyCache, directory: Directory) -> None:
    cache.find("key", trusting=True)
    directory.failure = Unavailable("away")
    directory.now += 599
    assert cache.find("key", trusting=True) is PRINCIPAL
    with pytest.raises(Unavailable):
        cache.find("key", trusting=False)
    with pytest.raises(Unavailable):
        cache.find("another key", trusting=True)
    directory.now += 2
    with pytest.raises(Unavailable):
        cache.find("key", trusting=True)


def test_a_revoked_key_is_forgotten(cache: KeyCache, directory: Directory) -> None:
    cache.find("key", trusting=True)
    directory.failure = NotAuthenticated("revoked", code="key_revoked")
    directory.now += 5
    with pytest.raises(NotAuthenticated):
        cache.find("key", trusting=True)
    directory.failure = Unavailable("away")
    directory.now += 2
    with pytest.raises(Unavailable):
        cache.find("key", trusting=True)


def test_one_key_is_forgotten_and_the_others_stay_known(directory: Directory) -> None:
    by_key = {name: Principal(actor=f"key:{name}", scopes=frozenset({"usage:write"})) for name in ("one", "other")}

    def load(key: str) -> Principal:
        directory.asked += 1
        return by_key[key]

    cache = KeyCache(load, secret="s" * 32, fresh_seconds=5, monotonic=directory.monotonic)
    for key in by_key:
        cache.find(key, trusting=True)
    cache.forget("key:one")
    cache.find("other", trusting=True)
    assert directory.asked == 2
    cache.find("one", trusting=True)
    assert directory.asked == 3


def test_a_refusal_is_remembered_for_a_second(cache: KeyCache, directory: Directory) -> None:
    directory.failure = NotAuthenticated("unknown", code="key_invalid")
    for _ in range(5):
        with pytest.raises(NotAuthenticated) as refused:
            cache.find("key", trusting=True)
        assert refused.value.code == "key_invalid"
    assert directory.asked == 1
    directory.failure = None
    directory.now += 1
    assert cache.find("key", trusting=True) is PRINCIPAL


def test_a_hanging_database_holds_up_one_caller_only(cache: KeyCache, directory: Directory) -> None:
    cache.find("key", trusting=True)
    directory.now += 60
    hanging, entered = threading.Event(), threading.Event()
    original = directory.load

    def hang(key: str) -> Principal:
        entered.set()
        hanging.wait(10)
        return original(key)

    cache._load = hang
    slow = threading.Thread(target=cache.find, args=("key",), kwargs={"trusting": True})
    slow.start()
    assert entered.wait(10)
    assert cache.find("key", trusting=True) is PRINCIPAL
    assert slow.is_alive()
    hanging.set()
    slow.join(10)
    assert not slow.is_alive()


def test_it_is_bounded(cache: KeyCache, directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_cache, "MAX_ENTRIES", 10)
    for index in range(50):
        cache.find(f"key-{index}", trusting=True)
    asked = directory.asked
    cache.find("key-49", trusting=True)
    assert directory.asked == asked
    cache.find("key-0", trusting=True)
    assert directory.asked == asked + 1
    directory.failure = NotAuthenticated("unknown")
    for index in range(50):
        with pytest.raises(NotAuthenticated):
            cache.find(f"guess-{index}", trusting=True)
    cache.find("key-49", trusting=True)
    assert len(cache._held) == len(cache._refused) == 10


def test_it_keeps_no_key(cache: KeyCache) -> None:
    cache.find("a-very-secret-key", trusting=True)
    assert b"a-very-secret-key" not in b"".join(cache._held)
