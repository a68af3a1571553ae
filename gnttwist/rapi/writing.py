"""
Resources that submit jobs: how a request becomes an opcode.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from attrs import field, frozen

from gnttwist.rapi.call import Call
from gnttwist.rapi.failures import BadRequest, Forbidden
from gnttwist.rapi.routes import Argument, Handler, number

Value = Callable[[Call], Any]


@frozen
class Source:
    """
    Where an opcode's parameter comes from, when not from the body.

    @ivar value: Finds it.
    @ivar argument: The query's argument that it is, if it is one.
    """

    value: Value
    argument: Argument | None = None


def name(variable: str) -> Source:
    """
    A variable of the path.
    """
    return Source(lambda call: call.names[variable])


def names(variable: str) -> Source:
    """
    A list of one: a variable of the path.
    """
    return Source(lambda call: [call.names[variable]])


def disk() -> Source:
    """
    A disk's number in the path.
    """
    return Source(lambda call: int(call.names["disk"]))


def constant(value: Any) -> Source:
    """
    Always the same.
    """
    return Source(lambda call: value)


def flag(argument: str, purpose: str = "") -> Source:
    """
    An argument that is 0 or 1.
    """
    return Source(lambda call: call.flag(argument), Argument(argument, "flag", purpose))


def text(argument: str, default: str | None = None, purpose: str = "") -> Source:
    """
    An argument's text.
    """
    return Source(lambda call: call.text(argument) or default, Argument(argument, "text", purpose))


def required(argument: str, purpose: str = "") -> Source:
    """
    An argument that must be there.
    """
    return Source(lambda call: call.required(argument), Argument(argument, "text", purpose))


def separated(argument: str, purpose: str = "") -> Source:
    """
    An argument of several names with commas between; it must be there.
    """
    return Source(
        lambda call: [each for each in call.required(argument).split(",") if each],
        Argument(argument, "text", purpose),
    )


def repeated(argument: str, purpose: str = "") -> Source:
    """
    All values of an argument that is repeated; there must be one.
    """

    def value(call: Call) -> list[str]:
        found = call.texts(argument)
        if not found:
            raise BadRequest(
                f"query argument {argument} is missing: name each one, {argument}=one&{argument}=two"
            )
        return found

    return Source(value, Argument(argument, "texts", purpose))


Adapt = Callable[[Call, dict[str, Any]], dict[str, Any]]


@frozen
class Opcode:
    """
    How requests become an opcode.

    @ivar fixed: Parameters that the body may not hold.
    @ivar body: Whether the rest comes from the body; otherwise that is ignored, as in Ganeti.
    @ivar renamed: Parameters that have another name in the body.
    @ivar forbidden: Parameters that nobody may set here.
    @ivar adapt: What else is done with the body.
    @ivar more: What else the body must hold, as JSON schemas.
    """

    op_id: str
    fixed: Mapping[str, Source]
    body: bool = True
    renamed: Mapping[str, str] = field(factory=dict)
    forbidden: tuple[str, ...] = ()
    adapt: Adapt | None = None
    more: Mapping[str, Any] = field(factory=dict)

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """
        The query's arguments.
        """
        return tuple(each.argument for each in self.fixed.values() if each.argument is not None)

    def handler(self) -> Handler:
        """
        Submits the job.
        """

        async def handle(call: Call) -> int:
            return await call.submit(self.opcode(call))

        return handle

    def opcode(self, call: Call) -> dict[str, Any]:
        """
        The opcode that a request asks for.

        @raise BadRequest: The body holds what it may not.
        """
        given: dict[str, Any] = {}
        if self.body:
            # What an adaption is for need not be an object.
            given = self.adapt(call, {}) if self.adapt is not None else call.members()
            given = self._renamed(given)
        for each in ("OP_ID", *self.fixed):
            if each in given:
                raise BadRequest(f"body parameter {each} is set by the resource and may not be given")
        for each in self.forbidden:
            if each in given:
                raise Forbidden(f"body parameter {each} may not be set by the remote API")
        fixed = {each: source.value(call) for each, source in self.fixed.items()}
        return {"OP_ID": self.op_id, **given, **fixed}

    def _renamed(self, given: dict[str, Any]) -> dict[str, Any]:
        for old, new in self.renamed.items():
            if old in given:
                if new in given:
                    raise BadRequest(f"body parameters {old} and {new} are the same: give one of them")
                given[new] = given.pop(old)
        return given


CREATION_NAMES: Mapping[str, str] = {"os": "os_type", "name": "instance_name"}
"""
Parameters of an instance's creation that clients call otherwise.
"""


def creation(call: Call, _: dict[str, Any]) -> dict[str, Any]:
    """
    An instance's creation: the body says which form it has.
    """
    body = call.members()
    if "__version__" not in body:
        raise BadRequest("body parameter __version__ is missing; 1 is supported")
    found = body.pop("__version__")
    if found != 1 or isinstance(found, bool):
        raise BadRequest(f"body parameter __version__: {found!r:.20} is not supported, use 1")
    hvparams = body.get("hvparams")
    if isinstance(hvparams, dict) and isinstance(hvparams.get("usb_devices"), str):
        # Spaces separated them once.
        hvparams["usb_devices"] = hvparams["usb_devices"].replace(" ", ",")
    return body


def creations(call: Call, _: dict[str, Any]) -> dict[str, Any]:
    """
    The creation of several instances, each of them with the names that the creation of one may have.
    """
    body = call.members()
    instances = body.get("instances")
    if not isinstance(instances, list) or not all(isinstance(each, dict) for each in instances):
        raise BadRequest("body parameter instances: a list of objects is expected")
    for each in instances:
        for name, parameter in CREATION_NAMES.items():
            if name in each and parameter in each:
                raise BadRequest(f"body parameter instances: {name} and {parameter} are the same, give one")
            if name in each:
                each[parameter] = each.pop(name)
    return body


Role = Literal["regular", "master-candidate", "drained", "offline"]

_ROLES: Mapping[str, tuple[bool | None, bool | None, bool | None]] = {
    "regular": (False, False, False),
    "master-candidate": (True, False, False),
    "drained": (False, True, False),
    "offline": (False, False, True),
}
"""
By role: candidate, drained, offline.
"""


def role(call: Call, _: dict[str, Any]) -> dict[str, Any]:
    """
    A node's new role: the body is a word.
    """
    wanted = call.json()
    if not isinstance(wanted, str) or wanted not in _ROLES:
        raise BadRequest(f"the body must be a JSON string, one of {', '.join(_ROLES)}")
    candidate, drained, offline = _ROLES[wanted]
    return {"master_candidate": candidate, "drained": drained, "offline": offline}


def migration(call: Call, _: dict[str, Any]) -> dict[str, Any]:
    """
    A node's evacuation by migration: in old requests the query says how.
    """
    mode, live = call.text("mode"), call.text("live")
    if mode is None and live is None:
        return call.members()
    if mode is not None and live is not None:
        raise BadRequest("query arguments mode and live: give one of them")
    if live is not None:
        return {"mode": "live" if number("live", live) else "non-live"}
    return {"mode": mode}


def replacement(call: Call, _: dict[str, Any]) -> dict[str, Any]:
    """
    A replacement of disks: in old requests the query says of which.
    """
    given = call.members() if call.has_body else {}
    if not given:
        given = {each: call.text(each) for each in ("remote_node", "mode", "iallocator") if call.text(each)}
        if call.text("disks"):
            given["disks"] = call.text("disks")
    disks = given.get("disks")
    if isinstance(disks, str):
        given["disks"] = [number("disks", each) for each in disks.split(",") if each]
    return given


def storage_change(call: Call) -> dict[str, Any]:
    """
    What is changed of a storage unit.
    """
    return {"allocatable": call.flag("allocatable")} if call.text("allocatable") is not None else {}


async def reinstall(call: Call) -> int:
    """
    Reinstall an instance: stopping, reinstalling and starting are one job.
    """
    instance = call.names["instance"]
    if call.has_body:
        if call.text("os") is not None or call.text("nostartup") is not None:
            raise BadRequest("query arguments os and nostartup: give them in the body")
        body = call.members()
        superfluous = body.keys() - {"os", "start", "osparams"}
        if superfluous:
            raise BadRequest(f"unknown body parameter {min(superfluous)}; known are os, osparams, start")
        start = body.get("start", True)
        if not isinstance(start, bool):
            raise BadRequest("body parameter start: true or false is expected")
        chosen = {"os_type": body.get("os"), "osparams": body.get("osparams")}
    else:
        start = not call.flag("nostartup")
        chosen = {"os_type": call.text("os")}
    ops: list[dict[str, Any]] = [
        {"OP_ID": "OP_INSTANCE_SHUTDOWN", "instance_name": instance},
        {"OP_ID": "OP_INSTANCE_REINSTALL", "instance_name": instance, **chosen},
    ]
    if start:
        ops.append({"OP_ID": "OP_INSTANCE_STARTUP", "instance_name": instance, "force": False})
    return await call.submit(*ops)
