"""
What steps are called. Pure: the same steps in the same order have the same names, in every replay.
"""

import random
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec
from attrs import define, field

DIGEST_BYTES = 8
"""
Enough to tell the arguments of one job's steps apart: names also count repetitions, so equal digests would only
matter where a replay takes other steps than before.
"""

FIRST_ATTEMPT = 1
"""
A step makes its call once; a unit that tries again takes another step.
"""


def digest(seed: str, arguments: object) -> str:
    """
    A keyed hash of arguments, which may be secret: names of steps are in the store and in keys on nodes.

    @param seed: The job's random bytes, in hex.
    """
    data = msgspec.json.encode(arguments, order="deterministic")
    return blake2b(data, key=bytes.fromhex(seed)[:64], digest_size=DIGEST_BYTES).hexdigest()


def call_key(cluster: str, epoch: str, job: int, path: str, attempt: int = FIRST_ATTEMPT) -> str:
    """
    What makes a call happen once, however often it is started.
    """
    step = blake2b(path.encode(), digest_size=16).hexdigest()
    return f"k/{cluster}/{epoch}/{job}/{step}/{attempt}"


def source(seed: str, path: str) -> random.Random:
    """
    Randomness of a step that a replay draws again.
    """
    return random.Random(blake2b(path.encode(), key=bytes.fromhex(seed)[:64], digest_size=32).digest())


@define
class Scope:
    """
    Names steps that are taken one after the other: an opcode, a branch, an undo.

    @ivar path: The scope's own name.
    """

    path: str
    _seed: str
    _taken: Counter[str] = field(factory=Counter, init=False)

    def name(self, kind: str, what: str, arguments: Sequence[Any] = ()) -> str:
        """
        The next step's name: C{PARENT/KIND:NAME:DIGEST#N}.
        """
        stem = f"{kind}:{what.replace('/', '%')}:{digest(self._seed, arguments)}"
        number = self._taken[stem]
        self._taken[stem] += 1
        return f"{self.path}/{stem}#{number}"

    def inner(self, path: str) -> "Scope":
        """
        A scope within this one.
        """
        return Scope(path, self._seed)
