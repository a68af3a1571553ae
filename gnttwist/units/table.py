"""
Which unit carries out which opcode.
"""

from typing import Any

from gnttwist.model import opcode_cluster as cluster_opcodes
from gnttwist.model import opcode_group as group_opcodes
from gnttwist.model import opcode_instance as instance_opcodes
from gnttwist.model import opcode_instance_disks as disk_opcodes
from gnttwist.model import opcode_network as network_opcodes
from gnttwist.model import opcode_node as node_opcodes
from gnttwist.model import opcode_query as query_opcodes
from gnttwist.model import opcode_tags as tag_opcodes
from gnttwist.model.opcode_cluster_modify import OpClusterSetParams
from gnttwist.model.opcode_instance_modify import OpInstanceSetParams
from gnttwist.units import (
    activation,
    cluster,
    cluster_modify,
    delay,
    group,
    group_parameters,
    instance_data,
    master_ip,
    network,
    network_connection,
    node_tasks,
    os_diagnose,
    power,
    queries,
    tags,
    verify_disks,
)
from gnttwist.units.allocator_test import show as show_allocator
from gnttwist.units.create import create
from gnttwist.units.failover import failover
from gnttwist.units.group_evacuate import evacuate as evacuate_group
from gnttwist.units.grow import grow
from gnttwist.units.hooks import instances, others
from gnttwist.units.migrate import migrate
from gnttwist.units.modify import modify
from gnttwist.units.multi_alloc import multi_alloc
from gnttwist.units.node_add import add as add_node
from gnttwist.units.node_modify import modify as modify_node
from gnttwist.units.node_remove import remove as remove_node
from gnttwist.units.reboot import reboot
from gnttwist.units.recreate import recreate
from gnttwist.units.redistribution import redistribute
from gnttwist.units.reinstall import reinstall
from gnttwist.units.remove import remove
from gnttwist.units.rename import rename
from gnttwist.units.renew import renew
from gnttwist.units.repair_sizes import repair_sizes
from gnttwist.units.unit import Unit
from gnttwist.units.verify_config import verify_config
from gnttwist.units.verify_group import verify_group

_ALL: tuple[Unit[Any], ...] = (
    Unit(cluster_opcodes.OpClusterActivateMasterIp, 1, master_ip.activate),
    Unit(cluster_opcodes.OpClusterDeactivateMasterIp, 1, master_ip.deactivate),
    Unit(cluster_opcodes.OpClusterDestroy, 1, cluster.destroy, others.CLUSTER_DESTROY),
    Unit(cluster_opcodes.OpClusterPostInit, 1, cluster.post_init, others.CLUSTER_INIT),
    Unit(cluster_opcodes.OpClusterQuery, 1, cluster.query),
    Unit(cluster_opcodes.OpClusterRedistConf, 1, redistribute),
    Unit(cluster_opcodes.OpClusterRename, 1, master_ip.rename, others.CLUSTER_RENAME),
    Unit(cluster_opcodes.OpClusterRenewCrypto, 1, renew),
    Unit(cluster_opcodes.OpClusterRepairDiskSizes, 1, repair_sizes),
    Unit(cluster_opcodes.OpClusterVerify, 1, cluster.verify),
    Unit(cluster_opcodes.OpClusterVerifyDisks, 1, verify_disks.everywhere),
    Unit(cluster_opcodes.OpClusterVerifyConfig, 1, verify_config),
    Unit(cluster_opcodes.OpClusterVerifyGroup, 3, verify_group, others.CLUSTER_VERIFY),
    Unit(cluster_opcodes.OpOsDiagnose, 1, os_diagnose.diagnose),
    Unit(cluster_opcodes.OpTestAllocator, 1, show_allocator),
    Unit(cluster_opcodes.OpTestDelay, 1, delay.delay),
    Unit(OpClusterSetParams, 1, cluster_modify.modify, others.CLUSTER_MODIFY),
    Unit(group_opcodes.OpGroupAdd, 1, group.add, others.GROUP_ADD),
    Unit(group_opcodes.OpGroupAssignNodes, 1, group.assign),
    Unit(group_opcodes.OpGroupEvacuate, 2, evacuate_group, others.GROUP_EVACUATE),
    Unit(group_opcodes.OpGroupRemove, 1, group.remove, others.GROUP_REMOVE),
    Unit(group_opcodes.OpGroupRename, 1, group.rename, others.GROUP_RENAME),
    Unit(group_opcodes.OpGroupVerifyDisks, 1, verify_disks.of_group),
    Unit(group_opcodes.OpGroupSetParams, 1, group_parameters.modify, others.GROUP_MODIFY),
    Unit(network_opcodes.OpNetworkAdd, 1, network.add, others.NETWORK_ADD),
    Unit(network_opcodes.OpNetworkConnect, 1, network_connection.connect, others.NETWORK_CONNECT),
    Unit(network_opcodes.OpNetworkDisconnect, 1, network_connection.disconnect, others.NETWORK_DISCONNECT),
    Unit(network_opcodes.OpNetworkRemove, 1, network.remove, others.NETWORK_REMOVE),
    Unit(network_opcodes.OpNetworkSetParams, 1, network.modify, others.NETWORK_MODIFY),
    Unit(query_opcodes.OpClusterConfigQuery, 1, queries.config_query),
    Unit(query_opcodes.OpQuery, 1, queries.query),
    Unit(query_opcodes.OpQueryFields, 1, queries.query_fields),
    Unit(tag_opcodes.OpTagsDel, 1, tags.remove),
    Unit(tag_opcodes.OpTagsGet, 1, tags.get),
    Unit(tag_opcodes.OpTagsSearch, 1, tags.search),
    Unit(tag_opcodes.OpTagsSet, 1, tags.add),
    Unit(disk_opcodes.OpInstanceActivateDisks, 1, activation.activate),
    Unit(disk_opcodes.OpInstanceDeactivateDisks, 1, activation.deactivate),
    Unit(instance_opcodes.OpInstanceConsole, 1, instance_data.console),
    Unit(instance_opcodes.OpInstanceCreate, 4, create, instances.INSTANCE_ADD),
    Unit(instance_opcodes.OpInstanceFailover, 2, failover, instances.INSTANCE_FAILOVER),
    Unit(disk_opcodes.OpInstanceGrowDisk, 2, grow, instances.DISK_GROW),
    Unit(instance_opcodes.OpInstanceMigrate, 2, migrate, instances.INSTANCE_MIGRATE),
    Unit(instance_opcodes.OpInstanceMultiAlloc, 2, multi_alloc),
    Unit(instance_opcodes.OpInstanceQueryData, 1, instance_data.query_data),
    Unit(instance_opcodes.OpInstanceReboot, 1, reboot, instances.INSTANCE_REBOOT),
    Unit(disk_opcodes.OpInstanceRecreateDisks, 1, recreate, instances.INSTANCE_RECREATE_DISKS),
    Unit(instance_opcodes.OpInstanceReinstall, 1, reinstall, instances.INSTANCE_REINSTALL),
    Unit(instance_opcodes.OpInstanceRename, 1, rename, instances.INSTANCE_RENAME),
    Unit(instance_opcodes.OpInstanceRemove, 1, remove, instances.INSTANCE_REMOVE),
    Unit(OpInstanceSetParams, 1, modify, instances.INSTANCE_MODIFY),
    Unit(instance_opcodes.OpInstanceShutdown, 1, power.shutdown, instances.INSTANCE_STOP),
    Unit(instance_opcodes.OpInstanceStartup, 3, power.startup, instances.INSTANCE_START),
    Unit(node_opcodes.OpNodeAdd, 1, add_node, others.NODE_ADD),
    Unit(node_opcodes.OpNodeEvacuate, 1, node_tasks.evacuate),
    Unit(node_opcodes.OpNodeMigrate, 1, node_tasks.migrate, others.NODE_MIGRATE),
    Unit(node_opcodes.OpNodePowercycle, 1, node_tasks.powercycle),
    Unit(node_opcodes.OpNodeQueryStorage, 1, node_tasks.query_storage),
    Unit(node_opcodes.OpNodeRemove, 1, remove_node, others.NODE_REMOVE),
    Unit(node_opcodes.OpNodeSetParams, 1, modify_node, others.NODE_MODIFY),
    Unit(node_opcodes.OpOobCommand, 1, node_tasks.oob_command),
    Unit(node_opcodes.OpRestrictedCommand, 1, node_tasks.restricted_command),
)

UNITS: dict[str, Unit[Any]] = {each.parameters.op_id(): each for each in _ALL}
"""
By OP_ID. A new unit is added to the tuple above.
"""
