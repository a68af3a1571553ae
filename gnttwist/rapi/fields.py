"""
Which fields each resource shows (reference: RAPI, section 6.6).
"""

from collections.abc import Mapping, Sequence

_OF_ALL = "ctime mtime uuid serial_no tags"

FIELDS: Mapping[str, Sequence[str]] = {
    "instance": (
        "name admin_state os pnode snodes disk_template nic.ips nic.macs nic.modes nic.uuids nic.names nic.links "
        "nic.networks nic.networks.names nic.bridges network_port disk.sizes disk.spindles disk_usage disk.uuids "
        "disk.names beparams hvparams oper_state oper_ram oper_vcpus status custom_hvparams custom_beparams "
        f"custom_nicparams {_OF_ALL}"
    ).split(),
    "node": (
        "name offline master_candidate drained dtotal dfree sptotal spfree mtotal mnode mfree pinst_cnt sinst_cnt "
        "ctotal cnos cnodes csockets pip sip role pinst_list sinst_list master_capable vm_capable ndparams "
        f"group.uuid {_OF_ALL}"
    ).split(),
    "network": (
        "name network gateway network6 gateway6 mac_prefix free_count reserved_count map group_list inst_list "
        f"external_reservations {_OF_ALL}"
    ).split(),
    "group": (
        "alloc_policy name node_cnt node_list ipolicy custom_ipolicy diskparams custom_diskparams ndparams "
        f"custom_ndparams {_OF_ALL}"
    ).split(),
    "filter": ["watermark", "priority", "predicates", "action", "reason_trail", "uuid"],
    "jobs": ["id", "ops", "status", "summary", "opstatus", "received_ts", "start_ts", "end_ts"],
    "job": [
        "id",
        "ops",
        "status",
        "summary",
        "opstatus",
        "received_ts",
        "start_ts",
        "end_ts",
        "oplog",
        "opresult",
    ],
}

ALIASES: Mapping[str, Mapping[str, str]] = {"node": {"sip": "secondary_ip"}}
"""
Older names that clients may still ask for.
"""

QUERIED = frozenset({"export", "filter", "group", "instance", "job", "lock", "network", "node"})
"""
What C{/2/query} can be asked for.
"""
