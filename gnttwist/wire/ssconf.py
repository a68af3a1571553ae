"""
Reading simple configuration files' text (reference: configuration, section 7.10). Pure.
"""


def lines(text: str) -> list[str]:
    """
    A list value: one item per line.
    """
    return [each for each in text.rstrip("\n").split("\n") if each]


def pairs(text: str) -> dict[str, str]:
    """
    A value of C{name=value} lines.
    """
    return dict(each.split("=", 1) for each in lines(text) if "=" in each)


def address_of(node: str, node_primary_ips: str) -> str | None:
    """
    A node's address in the text of C{ssconf_node_primary_ips}, whose lines are C{name address}.
    """
    for each in lines(node_primary_ips):
        name, _, address = each.partition(" ")
        if name == node:
            return address
    return None
