"""
The documentation's table of node functions: C{python -m gnttwist.functions.page > docs/functions.md}.

Made of the table in L{gnttwist.wire.calls} and of what the functions' own code says.
"""

import inspect
import re
import sys
from collections.abc import Iterator, Mapping

import msgspec

from gnttwist.functions.registry import Function
from gnttwist.functions.table import functions
from gnttwist.wire.call_types import OBJECTS, shown
from gnttwist.wire.calls import FUNCTIONS, Signature

INTRODUCTION = """\
# Node functions

Made by `python -m gnttwist.functions.page`. Names, arguments and results are Ganeti's; a result is what stands behind
`true` in the pair that a call returns. How calls are made is in `noded-protocol.md`.

Types are JSON's, as Python writes them: `list` and `tuple` are arrays, `dict` is an object, `float` is any number.
Arguments of other types are refused before the function's code runs, with the argument's name and type. Objects are
described at the end by what functions use of them; other members may be there.

* *changing*: it changes the node, so a caller gives a key and the call happens once; others may be repeated.
* *abort*: whether stopping it half-way leaves nothing that a repeated or undoing call cannot mend.
* *limit*: seconds after which a caller gives up, unless it says another deadline.
* *user*: whom its process runs as where the launcher is root.
"""

MARKUP = re.compile(r"[LC]\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")
FIELD = re.compile(r"^@((?:param|ivar) (\w+)|return|raise \S+):", re.MULTILINE)


def render() -> str:
    """
    The whole page.
    """
    code = functions()
    lines = [
        INTRODUCTION,
        "| function | arguments | result | changing | abort | limit | user |",
        "| --- " * 7 + "|",
    ]
    lines += [_row(each) for each in FUNCTIONS.values()]
    for each in FUNCTIONS.values():
        lines += ["", f"## {each.name}", "", *_description(each, code[each.name])]
    for kind in OBJECTS:
        lines += _object(kind)
    return "\n".join(lines) + "\n"


def _row(signature: Signature) -> str:
    cells = (
        f"[{signature.name}](#{signature.name})",
        ", ".join(signature.arguments) or "-",
        f"`{shown(signature.result)}`".replace("|", "\\|"),
        "yes" if signature.changing else "no",
        "safe" if signature.abortable else "not safe",
        f"{signature.limit:g}",
        signature.user,
    )
    return f"| {' | '.join(cells)} |"


def _description(signature: Signature, code: Function) -> Iterator[str]:
    text = inspect.getdoc(code) or ""
    fields = _fields(text)
    yield _plain(FIELD.split(text, maxsplit=1)[0])
    yield ""
    for name, kind in signature.arguments.items():
        yield f"* `{name}`, `{shown(kind)}`: {fields.get(name, 'as in Ganeti')}"
    said = fields.get("return")
    yield f"* result: `{shown(signature.result)}`" + (f": {said}" if said else "")


def _object(kind: type[msgspec.Struct]) -> Iterator[str]:
    text = inspect.getdoc(kind) or ""
    fields = _fields(text)
    yield from ("", f"## {kind.__name__}", "", _plain(FIELD.split(text, maxsplit=1)[0]), "")
    for each in msgspec.structs.fields(kind):
        said = fields.get(each.name)
        need = ", required" if each.required else ""
        yield f"* `{each.encode_name}`, `{shown(each.type)}`{need}" + (f": {said}" if said else "")


def _fields(text: str) -> Mapping[str, str]:
    """
    What a docstring says of each parameter, and of the result under C{return}.
    """
    found: dict[str, str] = {}
    while match := FIELD.search(text):
        text = text[match.end() :]
        found[match[2] or match[1]] = _plain(FIELD.split(text, maxsplit=1)[0])
    return found


def _plain(text: str) -> str:
    return MARKUP.sub(r"`\1`", " ".join(text.split()))


if __name__ == "__main__":
    sys.stdout.write(render())
