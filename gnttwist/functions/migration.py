"""
The functions by which a running instance goes from one node to another: those of the node that it leaves, and
those of the one that it goes to.
"""

from typing import Any

from gnttwist.functions import arguments
from gnttwist.functions.hypervisor.interface import Migrating
from gnttwist.functions.hypervisor.table import hypervisor
from gnttwist.functions.instances import alone, attach
from gnttwist.functions.registry import Context, FunctionError, function
from gnttwist.functions.storage import links


def _able(name: str) -> Migrating:
    found = hypervisor(name)
    if not isinstance(found, Migrating):
        raise FunctionError(f"Guests of hypervisor {name} are not migrated by this version")
    return found


@function("instance_migratable")
def instance_migratable(context: Context, instance: Any) -> None:
    """
    See whether an instance that runs here could go to another node.
    """
    migration_info(context, instance)


@function("migration_info")
def migration_info(context: Context, instance: Any) -> str:
    """
    Tell what the other node has to know of an instance that runs here.
    """
    wanted = arguments.instance(instance)
    return _able(wanted.hypervisor).travel_papers(context, wanted.name)


@function("accept_instance")
def accept_instance(context: Context, instance: Any, info: Any, target: Any) -> None:
    """
    Get ready for an instance that another node is about to send.

    @param info: What that node's C{migration_info} says.
    @param target: This node's address.
    """
    wanted = arguments.instance(instance)
    _able(wanted.hypervisor)
    with alone(context, wanted.name):
        if hypervisor(wanted.hypervisor).info(context, wanted.name) is not None:
            raise FunctionError(f"Cannot accept instance {wanted.name}: it runs here already")
        try:
            attach(context, wanted, instance)
        except FunctionError:
            links.remove(context, wanted.name)
            raise


@function("instance_migrate")
def instance_migrate(context: Context, cluster_name: Any, instance: Any, target: Any, live: Any) -> None:
    """
    Send an instance that runs here.

    @param target: The other node's address.
    @param live: Whether it goes on running meanwhile.
    """
    wanted = arguments.instance(instance)
    address = arguments.text(target, "target")
    with alone(context, wanted.name):
        _able(wanted.hypervisor).send(context, wanted.name, address, bool(live))


@function("instance_get_migration_status")
def instance_get_migration_status(context: Context, instance: Any) -> dict[str, Any]:
    """
    Tell how far that is.

    @return: C{status}: C{active}, C{completed} or C{failed}.
    """
    wanted = arguments.instance(instance)
    return {"status": _able(wanted.hypervisor).sent(context, wanted.name)}


@function("instance_finalize_migration_src")
def instance_finalize_migration_src(context: Context, instance: Any, success: Any, live: Any) -> None:
    """
    Forget an instance that has been sent; one that has not, stays as it is.
    """
    wanted = arguments.instance(instance)
    guests = _able(wanted.hypervisor)
    with alone(context, wanted.name):
        if success:
            guests.leave(context, wanted.name)
            links.remove(context, wanted.name)


@function("instance_finalize_migration_dst")
def instance_finalize_migration_dst(context: Context, instance: Any, info: Any, success: Any) -> None:
    """
    Take an instance that has arrived, or wait no more for one that has not.
    """
    wanted = arguments.instance(instance)
    papers = arguments.shaped(str, info, "migration info")
    guests = _able(wanted.hypervisor)
    with alone(context, wanted.name):
        if success:
            guests.arrive(context, wanted, papers)
        elif hypervisor(wanted.hypervisor).info(context, wanted.name) is None:
            links.remove(context, wanted.name)
