"""
What a sandbox is made of before its daemons run: directories, OS definitions, a founded cluster.
"""

import os
import secrets
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import gnttwist
from gnttwist.errors import GnttwistError
from gnttwist.sandbox.layout import CLUSTER, SHARED, Sandbox, SandboxError
from gnttwist.sandbox.separation import separate

RAPI_USER = "sandbox"

SHARED_STORAGE = "shared-file-storage"

HVPARAMS: dict[str, dict[str, Any]] = {
    # Guests boot from their own disks, as tinylinux's do, and are reached by serial console only.
    "kvm": {"kernel_path": "", "serial_console": True, "acpi": True, "vnc_bind_address": ""},
    "fake": {},
}
"""
By hypervisor, what sandboxes set differently from Ganeti's defaults.
"""

IPOLICY: dict[str, Any] = {
    "minmax": [
        {
            "min": {
                "memory-size": 16,
                "disk-size": 4,
                "disk-count": 0,
                "cpu-count": 1,
                "nic-count": 0,
                "spindle-use": 1,
            },
            "max": {
                "memory-size": 32768,
                "disk-size": 1048576,
                "disk-count": 16,
                "cpu-count": 8,
                "nic-count": 8,
                "spindle-use": 12,
            },
        }
    ]
}
"""
Smaller guests than Ganeti's default policy allows: sandboxes are for small ones, also without network.
"""


def make(sandbox: Sandbox, since: datetime | None = None) -> None:
    """
    Make everything that the daemons need to start.

    @param since: From when on its certificates are good; by default from now on.
    @raise SandboxError: It cannot be made.
    """
    try:
        (sandbox.path / SHARED).mkdir(exist_ok=True)
        for node in sandbox.machines:
            paths = sandbox.paths(node)
            (paths.srv / "os").mkdir(parents=True)
            for definition in os_definitions():
                shutil.copytree(definition, paths.srv / "os" / definition.name)
            link = paths.srv / SHARED_STORAGE
            link.symlink_to(os.path.relpath(sandbox.path / SHARED, link.parent))
        _found(sandbox, since)
        _add_rapi_user(sandbox)
        if sandbox.users:
            separate(sandbox)
    except (OSError, shutil.Error, GnttwistError) as reason:
        raise SandboxError(f"cannot make the sandbox in {sandbox.directory}: {reason}") from reason


def _add_rapi_user(sandbox: Sandbox) -> None:
    """
    One user of the remote API, who may do everything, with a password of this sandbox alone.
    """
    # Imported here: it brings cryptography with it, which down and status do without.
    from gnttwist.net import certificates

    line = f"{RAPI_USER} {secrets.token_urlsafe(12)} write\n".encode()
    for node in sandbox.nodes:
        certificates.write(sandbox.paths(node).rapi_users, line, certificates.SECRET_MODE)


def os_definitions() -> list[Path]:
    """
    The project's own OS definitions: where the package was installed, or in a checkout.

    @raise SandboxError: They are not there.
    """
    package = Path(gnttwist.__file__).parent
    for directory in (package / "conf/os", package.parent / "conf/os"):
        if directory.is_dir():
            return sorted(each for each in directory.iterdir() if (each / "ganeti_api_version").exists())
    raise SandboxError(f"the OS definitions are missing beside {package}: the installation is broken")


def _found(sandbox: Sandbox, since: datetime | None) -> None:
    # Imported here: it brings Twisted with it, which down and status do without.
    from gnttwist.sandbox.founding import Founding, NewNode, found, run_once

    founding = Founding(
        name=CLUSTER,
        nodes=[NewNode(sandbox.paths(each), each.address) for each in sandbox.nodes],
        hypervisors=[sandbox.hypervisor],
        ipolicy=IPOLICY,
        hvparams={sandbox.hypervisor: HVPARAMS[sandbox.hypervisor]},
        since=since,
    )
    run_once(lambda reactor: found(reactor, founding))
