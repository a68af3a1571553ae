"""
Reading simple configuration files' text (reference: configuration, section 7.10). Pure.
"""

from collections.abc import Mapping


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


def certificates(current: Mapping[str, str], coming: Mapping[str, str]) -> list[str]:
    """
    The lines of C{ssconf_master_candidates_certs}: whose certificates may call.

    @param current: Digests by node UUID.
    @param coming: Those of certificates that are about to be used; their nodes have two lines.
    """
    return sorted(f"{uuid}={digest}" for uuid, digest in {*current.items(), *coming.items()})


def address_of(node: str, node_primary_ips: str) -> str | None:
    """
    A node's address in the text of C{ssconf_node_primary_ips}, whose lines are C{name address}.
    """
    for each in lines(node_primary_ips):
        name, _, address = each.partition(" ")
        if name == node:
            return address
    return None
