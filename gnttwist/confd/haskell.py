"""
Texts as Haskell shows them: Ganeti's daemon has such in some of its errors. Pure.
"""

from gnttwist.wire.confd import Fields, Query, Text

_CONTROLS = [
    "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "a", "b", "t", "n", "v", "f", "r", "SO", "SI",
    "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US",
]  # fmt: skip
_FIELDS = ("ReqFieldName", "ReqFieldIp", "ReqFieldMNodePip")


def show(text: str) -> str:
    """
    A string's literal, with its quotes.
    """
    shown = []
    units = _units(text)
    for each, following in zip(units, [*units[1:], ""], strict=True):
        code = ord(each)
        if each in '"\\':
            shown.append("\\" + each)
        elif code < 32:
            # SO before an H would read as SOH.
            shown.append(f"\\{_CONTROLS[code]}" + ("\\&" if code == 14 and following == "H" else ""))
        elif code == 127:
            shown.append("\\DEL")
        elif code > 127:
            shown.append(f"\\{code}" + ("\\&" if following.isdigit() and following.isascii() else ""))
        else:
            shown.append(each)
    return f'"{"".join(shown)}"'


def _units(text: str) -> list[str]:
    """
    A text's letters; those beyond 16 bits are two, because the JSON that Ganeti's daemon reads has them as two.
    """
    data = text.encode("utf-16-le", "surrogatepass")
    return [chr(int.from_bytes(data[place : place + 2], "little")) for place in range(0, len(data), 2)]


def show_query(query: Query) -> str:
    """
    A question that is not the text that it should be.
    """
    if not isinstance(query, Fields):
        return "EmptyQuery"
    ips = ",".join(show("".join(each)) for each in query.ips or ())
    fields = ",".join(_FIELDS[int(each)] for each in query.fields or ())
    return (
        f"DictQuery (ConfdReqQ {{confdReqQIp = {_maybe(query.ip)}, confdReqQIpList = [{ips}], "
        f"confdReqQLink = {_maybe(query.link)}, confdReqQFields = [{fields}]}})"
    )


def _maybe(text: Text | None) -> str:
    return "Nothing" if text is None else f"Just {show(''.join(text))}"
