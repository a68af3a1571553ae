"""
From JSON to opcodes and back: what a submitted opcode is checked by, and how it is stored and shown.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

import msgspec

from gnttwist.errors import ECode, OpCodeUnknown, OpExecError, OpPrereqError
from gnttwist.model.opcode import Opcode, Parameters
from gnttwist.model.opcode_cluster import (
    OpClusterActivateMasterIp,
    OpClusterDeactivateMasterIp,
    OpClusterDestroy,
    OpClusterPostInit,
    OpClusterQuery,
    OpClusterRedistConf,
    OpClusterRename,
    OpClusterRenewCrypto,
    OpClusterRepairDiskSizes,
    OpClusterVerify,
    OpClusterVerifyConfig,
    OpClusterVerifyDisks,
    OpClusterVerifyGroup,
    OpOsDiagnose,
    OpTestAllocator,
    OpTestDelay,
)
from gnttwist.model.opcode_cluster_modify import OpClusterSetParams
from gnttwist.model.opcode_group import (
    OpGroupAdd,
    OpGroupAssignNodes,
    OpGroupEvacuate,
    OpGroupRemove,
    OpGroupRename,
    OpGroupSetParams,
    OpGroupVerifyDisks,
)
from gnttwist.model.opcode_instance import (
    OpInstanceConsole,
    OpInstanceCreate,
    OpInstanceFailover,
    OpInstanceMigrate,
    OpInstanceMultiAlloc,
    OpInstanceQueryData,
    OpInstanceReboot,
    OpInstanceReinstall,
    OpInstanceRemove,
    OpInstanceRename,
    OpInstanceShutdown,
    OpInstanceStartup,
)
from gnttwist.model.opcode_instance_disks import (
    OpInstanceActivateDisks,
    OpInstanceDeactivateDisks,
    OpInstanceGrowDisk,
    OpInstanceRecreateDisks,
)
from gnttwist.model.opcode_instance_modify import OpInstanceSetParams
from gnttwist.model.opcode_network import (
    OpNetworkAdd,
    OpNetworkConnect,
    OpNetworkDisconnect,
    OpNetworkRemove,
    OpNetworkSetParams,
)
from gnttwist.model.opcode_node import (
    OpNodeAdd,
    OpNodeEvacuate,
    OpNodeMigrate,
    OpNodePowercycle,
    OpNodeQueryStorage,
    OpNodeRemove,
    OpNodeSetParams,
    OpOobCommand,
    OpRestrictedCommand,
)
from gnttwist.model.opcode_query import OpClusterConfigQuery, OpQuery, OpQueryFields
from gnttwist.model.opcode_tags import OpTagsDel, OpTagsGet, OpTagsSearch, OpTagsSet

_ALL: tuple[type[Opcode], ...] = (
    OpClusterActivateMasterIp,
    OpClusterConfigQuery,
    OpClusterDeactivateMasterIp,
    OpClusterDestroy,
    OpClusterPostInit,
    OpClusterQuery,
    OpClusterSetParams,
    OpClusterRename,
    OpClusterRedistConf,
    OpClusterRenewCrypto,
    OpClusterRepairDiskSizes,
    OpClusterVerify,
    OpClusterVerifyConfig,
    OpClusterVerifyDisks,
    OpClusterVerifyGroup,
    OpGroupAdd,
    OpGroupAssignNodes,
    OpGroupEvacuate,
    OpGroupRemove,
    OpGroupRename,
    OpGroupSetParams,
    OpGroupVerifyDisks,
    OpInstanceActivateDisks,
    OpInstanceConsole,
    OpInstanceCreate,
    OpInstanceDeactivateDisks,
    OpInstanceFailover,
    OpInstanceGrowDisk,
    OpInstanceMigrate,
    OpInstanceMultiAlloc,
    OpInstanceQueryData,
    OpInstanceReboot,
    OpInstanceRecreateDisks,
    OpInstanceReinstall,
    OpInstanceRemove,
    OpInstanceRename,
    OpInstanceSetParams,
    OpInstanceShutdown,
    OpInstanceStartup,
    OpNetworkAdd,
    OpNetworkConnect,
    OpNetworkDisconnect,
    OpNetworkRemove,
    OpNetworkSetParams,
    OpNodeAdd,
    OpNodeEvacuate,
    OpNodeMigrate,
    OpNodePowercycle,
    OpNodeQueryStorage,
    OpNodeRemove,
    OpNodeSetParams,
    OpOobCommand,
    OpOsDiagnose,
    OpQuery,
    OpQueryFields,
    OpRestrictedCommand,
    OpTagsDel,
    OpTagsGet,
    OpTagsSearch,
    OpTagsSet,
    OpTestAllocator,
    OpTestDelay,
)

OPCODES: dict[str, type[Opcode]] = {each.op_id(): each for each in _ALL}
"""
The opcodes that are supported, by OP_ID. A new one is added to the tuple above.
"""

_GANETI_NAMES = """
BACKUP_EXPORT BACKUP_PREPARE BACKUP_REMOVE CLUSTER_ACTIVATE_MASTER_IP CLUSTER_CONFIG_QUERY
CLUSTER_DEACTIVATE_MASTER_IP CLUSTER_DESTROY CLUSTER_POST_INIT CLUSTER_QUERY CLUSTER_REDIST_CONF
CLUSTER_RENAME CLUSTER_RENEW_CRYPTO CLUSTER_REPAIR_DISK_SIZES CLUSTER_SET_PARAMS CLUSTER_VERIFY
CLUSTER_VERIFY_CONFIG CLUSTER_VERIFY_DISKS CLUSTER_VERIFY_GROUP EXT_STORAGE_DIAGNOSE GROUP_ADD
GROUP_ASSIGN_NODES GROUP_EVACUATE GROUP_REMOVE GROUP_RENAME GROUP_SET_PARAMS GROUP_VERIFY_DISKS
INSTANCE_ACTIVATE_DISKS INSTANCE_CHANGE_GROUP INSTANCE_CONSOLE INSTANCE_CREATE
INSTANCE_DEACTIVATE_DISKS INSTANCE_FAILOVER INSTANCE_GROW_DISK INSTANCE_MIGRATE INSTANCE_MOVE
INSTANCE_MULTI_ALLOC INSTANCE_QUERY_DATA INSTANCE_REBOOT INSTANCE_RECREATE_DISKS INSTANCE_REINSTALL
INSTANCE_REMOVE INSTANCE_RENAME INSTANCE_REPLACE_DISKS INSTANCE_SET_PARAMS INSTANCE_SHUTDOWN
INSTANCE_STARTUP NETWORK_ADD NETWORK_CONNECT NETWORK_DISCONNECT NETWORK_REMOVE NETWORK_SET_PARAMS
NODE_ADD NODE_EVACUATE NODE_MIGRATE NODE_MODIFY_STORAGE NODE_POWERCYCLE NODE_QUERYVOLS
NODE_QUERY_STORAGE NODE_REMOVE NODE_SET_PARAMS OOB_COMMAND OS_DIAGNOSE QUERY QUERY_FIELDS
REPAIR_NODE_STORAGE RESTRICTED_COMMAND TAGS_DEL TAGS_GET TAGS_SEARCH TAGS_SET TEST_ALLOCATOR
TEST_DELAY TEST_DUMMY TEST_JQUEUE TEST_OS_PARAMS
"""
GANETI_OP_IDS: frozenset[str] = frozenset(f"OP_{name}" for name in _GANETI_NAMES.split())
"""
Every opcode of Ganeti 3.0.2 (reference: opcodes.json), so that one which is not supported yet can be told from one
that does not exist.
"""

REDACTED = "<redacted>"
"""
What stands in the store for a secret value, as in Ganeti's job files.
"""

_PLACE = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>[^`]*)`$")


def parse(members: Mapping[str, Any]) -> Opcode:
    """
    Check a submitted opcode. A member that is null is as one that is absent, as in Ganeti.

    @raise OpCodeUnknown: There is no such opcode, or it is not supported; the text names it.
    @raise OpPrereqError: A parameter is missing, superfluous or wrong; the text names it.
    """
    op_id = members.get("OP_ID")
    kind = OPCODES.get(op_id) if isinstance(op_id, str) else None
    if kind is None:
        raise OpCodeUnknown(_unknown(op_id))
    given = {name: value for name, value in members.items() if value is not None}
    try:
        if "depends" in given:
            given["depends"] = _numeric_ids(given["depends"])
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as reason:
        raise OpPrereqError(_explain(kind, str(reason)), ECode.INVAL) from reason


def to_input(op: Opcode) -> tuple[dict[str, Any], dict[str, Parameters]]:
    """
    An opcode as it is stored, every parameter written; and the values of its secret parameters apart.
    """
    # Through JSON, so that tuples are lists here as they will be when it is read back.
    members: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(op))
    secrets = {}
    for name in sorted(op.secret_fields):
        if members[name]:
            secrets[name] = members[name]
            members[name] = dict.fromkeys(members[name], REDACTED)
    return members, secrets


def from_input(members: Mapping[str, Any], secrets: Mapping[str, Parameters]) -> Opcode:
    """
    The opcode that was stored, its secrets put back.

    @raise OpExecError: A secret is gone: secrets live in memory, and the daemon was restarted.
    @raise OpCodeUnknown: It was stored by a version that knows more opcodes.
    @raise OpPrereqError: It was stored by a version that knows other parameters.
    """
    op = parse({**members, **secrets})
    for name in sorted(op.secret_fields):
        if REDACTED in (getattr(op, name) or {}).values():
            raise OpExecError(
                f"The secret values of {name} were lost when the daemon stopped; submit the job again"
            )
    return op


def summary(members: Mapping[str, Any]) -> str:
    """
    A stored opcode in a few words: its OP_ID without C{OP_}, and the value of its summary field if it has one.
    """
    op_id = members.get("OP_ID")
    if not isinstance(op_id, str):
        return "INVALID_OP"
    kind = OPCODES.get(op_id)
    name = op_id.removeprefix("OP_")
    field = kind.summary_field if kind else None
    return name if field is None or members.get(field) is None else f"{name}({members[field]})"


def _unknown(op_id: object) -> str:
    if not isinstance(op_id, str):
        return "The opcode has no OP_ID" if op_id is None else f"OP_ID must be a string, not {op_id!r:.60}"
    if op_id in GANETI_OP_IDS:
        return f"Opcode {op_id} is not supported by this version of gnttwist"
    return f"There is no opcode {op_id!r:.60}"


def _numeric_ids(depends: Any) -> Any:
    """
    Job ids may be written as text.
    """
    if not isinstance(depends, list):
        return depends
    return [
        [int(each[0]), *each[1:]]
        if isinstance(each, list | tuple) and each and isinstance(each[0], str) and _ID.fullmatch(each[0])
        else each
        for each in depends
    ]


_ID = re.compile(r"-?[0-9]{1,18}")


def _explain(kind: type[Opcode], reason: str) -> str:
    """
    What is wrong with which parameter, and what it can be where that is one of a few words.
    """
    found = _PLACE.search(reason)
    if found is None:
        return f"{kind.op_id()}: {reason}"
    text, path = reason[: found.start()], found["path"]
    field = re.split(r"[.\[]", path, maxsplit=1)[0]
    words = [
        word for each in msgspec.structs.fields(kind) if each.name == field for word in _literals(each.type)
    ]
    choice = _choice(text, words) if "enum" in text and words else ""
    return f"{kind.op_id()}: parameter {path}: {text}{choice}"


FEW_WORDS = 12
"""
How many words are listed in an error; of more, the one that is most like the wrong one.
"""


def _choice(text: str, words: Sequence[str]) -> str:
    """
    What a parameter can be.

    @param text: What is wrong, with the value in quotes.
    """
    if len(words) <= FEW_WORDS:
        return f" (one of {', '.join(words)})"
    given = text.partition("'")[2].rpartition("'")[0]
    known = {each.upper(): each for each in words}
    if near := difflib.get_close_matches(given.upper(), known, n=1):
        return f" (is {known[near[0]]} meant? There are {len(words)})"
    return f" (there are {len(words)}, such as {', '.join(words[:3])})"


def _literals(kind: Any) -> Iterator[str]:
    """
    The words that a type allows somewhere in it.
    """
    if get_origin(kind) is Literal:
        yield from (str(each) for each in get_args(kind))
    else:
        for each in get_args(kind):
            yield from _literals(each)
