"""The keys of the inbox on Redis, which the API, workers and backups name alike. Pure."""

WAITING = "usage-billing:waiting"
"""The number of recordings that wait."""

BYTES = "usage-billing:bytes"
"""Their encoded size."""


def stream(shard: int) -> str:
    """The stream of what waits in ``shard``: an entry for each request, ``d`` its recordings, ``n`` their number."""
    return f"usage-billing:inbox:{shard}"


def wake(shard: int) -> str:
    """There while a drain of ``shard`` counts as woken."""
    return f"usage-billing:wake:{shard}"


def hand(shard: int) -> str:
    """What a drain of ``shard`` tries, and how often it was tried."""
    return f"usage-billing:hand:{shard}"
