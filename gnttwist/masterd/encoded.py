"""
Answers that are encoded once for all who ask for the same.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
from attrs import define, field

T = TypeVar("T")


@define(eq=False)
class Encoded(Generic[T]):
    """
    The newest answer that was made of a value. Values are replaced, never changed, so an answer holds for as long as
    its value is the same object.

    @ivar _make: Makes the answer of a value.
    """

    _make: Callable[[T], Any]
    _value: T | None = field(default=None, init=False)
    _answer: msgspec.Raw = field(factory=msgspec.Raw, init=False, repr=False)

    def of(self, value: T) -> msgspec.Raw:
        """
        The answer, as a part of a message that is encoded already.
        """
        if value is not self._value:
            self._answer = msgspec.Raw(msgspec.json.encode(self._make(value)))
            self._value = value
        return self._answer
