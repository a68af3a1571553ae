"""
Ganeti's own RPC client, with its own encoding of everything, calls our node daemon.
"""

import json
from typing import Any

from gnttwist.functions.arguments import VIRTUAL
from gnttwist.sandbox.processes import wait_until
from tests.interop.ganeti import NODE, Output, SandboxTestCase

INSTANCE = "inst1.example.com"

EXPORT_WAIT = 10.0
"""
Seconds for a change to reach the exported configuration, which is written once a second at most.
"""

MASTER = """
import json, sys
from ganeti import constants, objects, pathutils, serializer, utils, vcluster
from ganeti.cmdlib.common import ComputeAncillaryFiles
from ganeti.rpc import node as rpc

class Config(object):
  def __init__(self, data):
    self.data = data
    self.GetClusterInfo = lambda: data.cluster
    self.GetNodeInfo = data.nodes.get
    self.GetAllNodesInfo = lambda: data.nodes
    self.GetMultiNodeInfo = lambda uuids: [(each, data.nodes[each]) for each in uuids]
    self.GetInstanceSecondaryNodes = lambda uuid: []
    self.GetInstanceDisks = lambda uuid: [data.disks[each] for each in data.instances[uuid].disks]
    self.GetInstanceDiskParams = lambda inst: data.cluster.SimpleFillDP({})
    self.LookupNetwork = lambda name: None

class Owners(object):
  LookupUid = LookupGid = staticmethod(lambda number: "root")

rpc.Init()
data = objects.ConfigData.FromDict(serializer.LoadJson(utils.ReadFile(pathutils.CLUSTER_CONF_FILE)))
run = rpc.RpcRunner(Config(data), lambda *_: None, _getents=Owners)
cluster = data.cluster
[(uuid, node)] = data.nodes.items()
[instance] = data.instances.values()
[disk] = [data.disks[each] for each in instance.disks]
hvparams = {"fake": cluster.hvparams.get("fake", {})}
files = [vcluster.MakeVirtualPath(each) for group in ComputeAncillaryFiles(cluster, False) for each in group]
checks = {
  constants.NV_FILELIST: files,
  constants.NV_CLIENT_CERT: None,
  constants.NV_HYPERVISOR: ["fake"],
  constants.NV_HVPARAMS: [("cluster", "fake", hvparams["fake"])],
  constants.NV_NODESETUP: None,
  constants.NV_OSLIST: None,
  constants.NV_TIME: None,
  constants.NV_USERSCRIPTS: [vcluster.MakeVirtualPath(pathutils.EXTERNAL_MASTER_SETUP_SCRIPT)],
  constants.NV_VERSION: None,
}
storage = "/srv/ganeti/file-storage"
trail = [("gnt:opcode:test", "why", 1)]
told = {}

def tell(name, result):
  told[name] = [result.fail_msg, result.payload]

tell("version", run.call_version([uuid])[uuid])
tell("node_info", run.call_node_info([uuid], {uuid: []}, [("fake", hvparams["fake"])])[uuid])
tell("node_verify", run.call_node_verify([uuid], checks, cluster.cluster_name, hvparams)[uuid])
tell("os_diagnose", run.call_os_diagnose([uuid])[uuid])
tell("test_delay", run.call_test_delay([uuid], 0.01)[uuid])
tell("bridges_exist", run.call_bridges_exist(uuid, ["nobr"]))
tell("hypervisor_validate_params", run.call_hypervisor_validate_params([uuid], "fake", hvparams["fake"])[uuid])
tell("blockdev_find", run.call_blockdev_find(uuid, (disk, instance)))
tell("blockdev_assemble", run.call_blockdev_assemble(uuid, (disk, instance), instance, True, 0))
tell("instance_start", run.call_instance_start(uuid, (instance, {}, {}), False, trail))
tell("instance_info", run.call_instance_info(uuid, instance.name, "fake", hvparams["fake"]))
tell("instance_list", run.call_instance_list([uuid], ["fake"], hvparams)[uuid])
tell("all_instances_info", run.call_all_instances_info([uuid], ["fake"], hvparams)[uuid])
tell("instance_shutdown", run.call_instance_shutdown(uuid, instance, 5, trail))
tell("instance_os_add", run.call_instance_os_add(uuid, (instance, {}), False, 0))
tell("blockdev_shutdown", run.call_blockdev_shutdown(uuid, (disk, instance)))
tell("blockdev_remove", run.call_blockdev_remove(uuid, (disk, instance)))
tell("blockdev_create", run.call_blockdev_create(
  uuid, (disk, instance), disk.size, instance.name, True, "info", False))
tell("blockdev_setinfo", run.call_blockdev_setinfo(uuid, (disk, instance), "text"))
tell("blockdev_grow", run.call_blockdev_grow(uuid, (disk, instance), 4, False, True, False))
tell("blockdev_wipe", run.call_blockdev_wipe(uuid, (disk, instance), 0, 4))
tell("blockdev_getdimensions", run.call_blockdev_getdimensions(uuid, [([disk], instance)]))
tell("blockdev_getmirrorstatus", run.call_blockdev_getmirrorstatus(uuid, ([disk], instance)))
tell("blockdev_getmirrorstatus_multi", run.call_blockdev_getmirrorstatus_multi(
  [uuid], {uuid: [(disk, instance)]})[uuid])
tell("blockdev_pause_resume_sync", run.call_blockdev_pause_resume_sync(uuid, ([disk], instance), True))
tell("blockdev_open", run.call_blockdev_open(uuid, instance.name, ([disk], instance), True))
tell("blockdev_close", run.call_blockdev_close(uuid, instance.name, ([disk], instance)))
tell("instance_run_rename", run.call_instance_run_rename(uuid, instance, "old.example.com", 0))
tell("start again", run.call_instance_start(uuid, (instance, {}, {}), False, trail))
tell("instance_reboot", run.call_instance_reboot(uuid, instance, constants.INSTANCE_REBOOT_HARD, 5, trail))
tell("instance_balloon_memory", run.call_instance_balloon_memory(uuid, instance, 128))
tell("instance_migratable", run.call_instance_migratable(uuid, instance))
tell("migration_info", run.call_migration_info(uuid, instance))
tell("instance_migrate", run.call_instance_migrate(uuid, "cluster", instance, "192.0.2.1", True))
tell("instance_get_migration_status", run.call_instance_get_migration_status(uuid, instance))
tell("instance_finalize_migration_src", run.call_instance_finalize_migration_src(uuid, instance, True, True))
tell("accept_instance", run.call_accept_instance(uuid, instance, told["migration_info"][1], "192.0.2.1"))
tell("instance_finalize_migration_dst", run.call_instance_finalize_migration_dst(
  uuid, instance, told["migration_info"][1], True))
tell("stop again", run.call_instance_shutdown(uuid, instance, 0, trail))
tell("node_crypto_tokens", run.call_node_crypto_tokens(
  uuid, [(constants.CRYPTO_TYPE_SSL_DIGEST, constants.CRYPTO_ACTION_GET, None)]))
tell("x509_cert_create", run.call_x509_cert_create(uuid, 60))
tell("x509_cert_remove", run.call_x509_cert_remove(uuid, told["x509_cert_create"][1][0]))
tell("file_storage_dir_create", run.call_file_storage_dir_create(uuid, storage + "/a"))
tell("file_storage_dir_rename", run.call_file_storage_dir_rename(uuid, storage + "/a", storage + "/b"))
tell("file_storage_dir_remove", run.call_file_storage_dir_remove(uuid, storage + "/b"))
tell("storage_list", run.call_storage_list([uuid], constants.ST_FILE, [[storage]], None, [
  constants.SF_NAME, constants.SF_SIZE, constants.SF_USED, constants.SF_FREE, constants.SF_ALLOCATABLE])[uuid])
tell("os_validate", run.call_os_validate(
  [uuid], True, "noop", [constants.OS_VALIDATE_PARAMETERS], {}, False)[uuid])
tell("master_node_name", run.call_master_node_name([uuid])[uuid])
tell("write_ssconf_files", run.call_write_ssconf_files([uuid], {"cluster_name": cluster.cluster_name})[uuid])
tell("upload_file", run.call_upload_file([uuid], pathutils.CONFD_HMAC_KEY)[uuid])
tell("hooks_runner", run.call_hooks_runner([uuid], "instance-start", "pre", {"PATH": "/bin"})[uuid])
print(json.dumps(told, default=lambda each: each.ToDict()))
"""
"""
Calls as a master makes them, with its objects from the exported configuration.
"""


class RpcTests(SandboxTestCase):
    """
    Tests of calls by Ganeti's code.
    """

    def python(self, code: str) -> Output:
        """
        Run Python code that uses Ganeti's modules, as a master on the sandbox's first node.
        """
        share = self.ganeti / "root/usr/share/ganeti/3.0"
        return self.execute([str(self.ganeti / "python/bin/python"), "-c", code], {"PYTHONPATH": str(share)})

    def test_calls(self) -> None:
        """
        Arguments as Ganeti encodes them are of the table's types, and results are what its code takes.
        """
        made = self.gnt(
            *(
                "instance",
                "add",
                "-t",
                "file",
                "-o",
                "noop",
                "--no-start",
                "--no-name-check",
                "--no-ip-check",
            ),
            *("-s", "4M", "-n", NODE, INSTANCE),
        )
        self.assertEqual(made.code, 0, made.err)
        assert self.directory is not None
        exported = self.directory / "s" / NODE / "var/lib/ganeti/config.data"
        self.assertTrue(wait_until(lambda: INSTANCE in exported.read_text(), EXPORT_WAIT))
        ended = self.python(MASTER)
        self.assertEqual(ended.code, 0, ended.err)
        told: dict[str, Any] = json.loads(ended.out)
        failed = {name: why for name, (why, _) in told.items() if why}
        self.assertEqual(set(failed), {"bridges_exist"}, failed)
        self.assertIn("nobr", failed["bridges_exist"])
        payloads = {name: payload for name, (_, payload) in told.items()}
        self.assertEqual(payloads["version"], 3000000)
        self.assertEqual(payloads["instance_list"], [INSTANCE])
        [status] = payloads["blockdev_getmirrorstatus"]
        self.assertFalse(status["is_degraded"])
        self.assertEqual(payloads["blockdev_getmirrorstatus_multi"], [[True, status]])
        self.assertEqual(payloads["blockdev_pause_resume_sync"], [[True, None]])
        self.assertEqual(payloads["instance_info"]["state"], 0)
        self.assertEqual(set(payloads["all_instances_info"]), {INSTANCE})
        self.assertIn(f"{VIRTUAL}/var/lib/ganeti/server.pem", payloads["node_verify"]["filelist"])
        self.assertEqual([each[0] for each in payloads["os_diagnose"]], ["noop", "tinylinux"])
