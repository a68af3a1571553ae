"""
How verification tells what it finds: Ganeti's lines, which people and programs read.
"""

from collections.abc import Callable, Collection

from attrs import define, field


@define
class Report:
    """
    The findings of one verification.

    @ivar log: Where lines go.
    @ivar error_codes: Whether lines have the form for programs: C{ERROR:code:kind:name:text}.
    @ivar ignored: Codes that are told as warnings and do not count.
    @ivar simulate: Whether each check is told as failed.
    @ivar failed: Whether there was an error.
    """

    log: Callable[[str], None]
    error_codes: bool = False
    ignored: Collection[str] = ()
    simulate: bool = False
    failed: bool = field(default=False, init=False)

    def section(self, text: str) -> None:
        """
        Begin a section.
        """
        self.log(f"* {text}")

    def check(
        self, wrong: object, code: str, kind: str, name: str, text: str, *, warning: bool = False
    ) -> None:
        """
        Tell C{text} if something is C{wrong}.

        @param code: Ganeti's code of the check, C{ENODEVERSION}.
        @param kind: C{cluster}, C{node} or C{instance}.
        @param name: Which one; empty for the cluster.
        @param warning: Tell it as a warning, which does not count.
        """
        if not (wrong or self.simulate):
            return
        warning = warning or code in self.ignored
        label = "WARNING" if warning else "ERROR"
        if self.error_codes:
            self.log(f"  - {label}:{code}:{kind}:{name}:{text}")
        else:
            self.log(f"  - {label}: {' '.join(filter(None, (kind, name)))}: {text}")
        self.failed = self.failed or not warning

    def error(self, code: str, kind: str, name: str, text: str) -> None:
        """
        Tell of something that is wrong.
        """
        self.check(True, code, kind, name, text)
