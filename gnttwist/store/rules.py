"""
What every backend holds in the same way: the limits of a transaction, and what a prefix and a revision mean.
"""

from gnttwist.errors import LocalError
from gnttwist.store.interface import (
    MAX_OPERATIONS,
    MAX_TRANSACTION_BYTES,
    Compacted,
    CompareValue,
    FutureRevision,
    Put,
    TooLarge,
    Transaction,
)

_LAST_BEFORE_SURROGATES = 0xD7FF
_FIRST_AFTER_SURROGATES = 0xE000
_LAST = 0x10FFFF


def check(transaction: Transaction) -> int:
    """
    Refuse a transaction that some backend could not take.

    Whatever passes here cannot fail for a reason of its own later, so a commit that fails is the store's failure.

    @return: Its size, in bytes of keys and values.
    @raise TooLarge: It is over a limit.
    @raise LocalError: It writes a key twice, or a key is empty or cannot be encoded.
    """
    if len(transaction.writes) > MAX_OPERATIONS or len(transaction.compares) > MAX_OPERATIONS:
        raise TooLarge(
            f"{len(transaction.writes)} writes and {len(transaction.compares)} comparisons:"
            f" a transaction holds {MAX_OPERATIONS} of each"
        )
    keys = [write.key for write in transaction.writes]
    if len(set(keys)) != len(keys):
        raise LocalError(f"a transaction writes {_repeated(keys)} twice")
    if not all(keys):
        raise LocalError("a transaction writes a key without a name")
    size = 0
    try:
        for write in transaction.writes:
            size += len(write.key.encode())
            if isinstance(write, Put):
                size += len(write.value)
        for compare in transaction.compares:
            size += len(compare.key.encode())
            if isinstance(compare, CompareValue):
                size += len(compare.value)
    except UnicodeEncodeError as reason:
        raise LocalError(f"a key is not text: {reason}") from reason
    if size > MAX_TRANSACTION_BYTES:
        raise TooLarge(f"{size} bytes: a transaction holds {MAX_TRANSACTION_BYTES}")
    return size


def _repeated(keys: list[str]) -> str:
    return next(key for index, key in enumerate(keys) if key in keys[:index])


def check_revision(wanted: int, newest: int, compacted: int) -> None:
    """
    Refuse to read where there is nothing to read.

    @param newest: The newest durable revision.
    @param compacted: The oldest revision whose history is kept.
    @raise Compacted: C{wanted} is older than what is kept.
    @raise FutureRevision: C{wanted} is not durable yet.
    """
    if wanted < compacted:
        raise Compacted(f"revision {wanted} was compacted; the oldest kept is {compacted}")
    if wanted > newest:
        raise FutureRevision(f"revision {wanted} is not durable yet; the newest is {newest}")


def prefix_end(prefix: str) -> str | None:
    """
    The first text that is greater than everything that begins with C{prefix}; C{None} where there is none.
    """
    while prefix:
        last = ord(prefix[-1])
        if last != _LAST:
            following = _FIRST_AFTER_SURROGATES if last == _LAST_BEFORE_SURROGATES else last + 1
            return prefix[:-1] + chr(following)
        prefix = prefix[:-1]
    return None
