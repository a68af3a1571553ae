"""
Tests for L{gnttwist.errors}.
"""

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist import errors
from gnttwist.errors import JobQueueFull, OperationError, OpPrereqError, from_wire, to_wire


def all_operation_errors() -> list[type[OperationError]]:
    """
    Every class that has a wire form.
    """
    found = [OperationError]
    for each in found:
        found.extend(each.__subclasses__())
    return found


class WireFormTests(SynchronousTestCase):
    """
    Tests for L{to_wire} and L{from_wire}.
    """

    def test_every_class_survives(self) -> None:
        """
        Each class comes back as itself, with its arguments.
        """
        classes = all_operation_errors()
        self.assertGreater(len(classes), 15)
        for each in classes:
            error = from_wire(to_wire(each("why", 3)))
            self.assertIs(type(error), each)
            assert error is not None
            self.assertEqual(error.args, ("why", 3))

    def test_ganeti_names(self) -> None:
        """
        The encoding is Ganeti's: the class's name and the list of its arguments.
        """
        refusal = OpPrereqError("no such node", errors.ECode.NOENT)
        self.assertEqual(to_wire(refusal), ["OpPrereqError", ["no such node", "unknown_entity"]])
        self.assertEqual(to_wire(OperationError("x")), ["GenericError", ["x"]])
        self.assertEqual(to_wire(JobQueueFull()), ["JobQueueFull", []])

    def test_unknown_name(self) -> None:
        """
        An error of a class that we lack keeps its name in the text.
        """
        error = from_wire(["DeviceCreationError", ["no space", 7]])
        self.assertEqual(str(error), "DeviceCreationError: no space: 7")

    @given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
    def test_anything_else(self, value: object) -> None:
        """
        What is not an encoded error decodes to nothing, and nothing is raised.
        """
        decoded = from_wire(value)
        shaped = (
            isinstance(value, list)
            and len(value) == 2
            and isinstance(value[0], str)
            and isinstance(value[1], list)
        )
        self.assertEqual(decoded is not None, shaped)
