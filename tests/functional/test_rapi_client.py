"""
L{gnttwist.client.rapi} with a real gnt-rapi.
"""

from typing import Any, cast

from zope.interface import implementer

from twisted.internet import reactor  # noqa: TID251 - real connections
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHostnameResolver, IHostResolution
from twisted.web.client import ResponseFailed

from gnttwist.client.rapi import RAPIClient, RAPIError
from tests.functional.rapi_sandbox import RAPITestCase

NODE = "node1.sandbox.test"
GUEST = "guest.example.com"
CREATE = {
    "mode": "create",
    "instance_name": GUEST,
    "os_type": "noop",
    "disk_template": "diskless",
    "disks": [],
    "nics": [],
    "ip_check": False,
    "name_check": False,
    "pnode": NODE,
    "hypervisor": "fake",
}


@implementer(IHostResolution)
class Resolution:
    """
    A host that was found.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """
        It was found at once.
        """


@implementer(IHostnameResolver)
class Resolver:
    """
    Finds every host at one address.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> Resolution:
        """
        Tell it.
        """
        resolution = Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        resolutionReceiver.addressResolved(IPv4Address("TCP", self._address, portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution


class ClientTests(RAPITestCase):
    """
    Tests for L{RAPIClient}.
    """

    def client(self, password: str | None = None, authority: bytes | None = None) -> RAPIClient:
        """
        A client of the sandbox.
        """
        user, _, known = self.user.partition(":")
        made = RAPIClient.connecting(
            reactor,
            "https://cluster.sandbox.test:5080/",
            user,
            password or known,
            authority or self.paths.rapi_pem.read_bytes(),
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(made.close()))
        return made

    def resolve(self) -> None:
        """
        Have the cluster's name found, which the certificate has.
        """
        world = cast(Any, reactor)
        before = world.installNameResolver(Resolver(self.address))
        self.addCleanup(world.installNameResolver, before)

    async def test_an_instances_life(self) -> None:
        """
        What there is can be read; an instance is created, stopped, started and removed, and each job waited for.
        """
        self.resolve()
        client = self.client()
        self.assertEqual((await client.info())["master"], NODE)
        self.assertEqual([await client.names(each) for each in ("nodes", "instances")], [[NODE], []])
        job = await client.create(CREATE, dry_run=True)
        self.assertEqual((await client.ended(job))[0], "success")
        self.assertEqual(await client.names("instances"), [])
        for step in (client.create(CREATE), client.stop(GUEST), client.start(GUEST)):
            self.assertEqual((await client.ended(await step))[0], "success")
        (found,) = await client.everything("instances")
        self.assertEqual((found["name"], found["status"]), (GUEST, "running"))
        self.assertEqual(await client.one("instances", GUEST), found)
        rows = await client.query("instance", ["name", "oper_state"], ["=", "pnode", NODE])
        self.assertEqual(rows, [[GUEST, True]])
        remove = {"OP_ID": "OP_INSTANCE_REMOVE", "instance_name": GUEST, "shutdown_timeout": 1}
        job = await client.submit(remove, reason="it was a test")
        self.assertEqual((await client.ended(job))[0], "success")
        trail = (await client.ask("GET", f"/2/jobs/{job}"))["ops"][0]["reason"]
        self.assertIn("it was a test", [text for _, text, _ in trail])
        done, text = await client.cancel(job)
        self.assertEqual((done, str(job) in text), (False, True))

    async def test_failures(self) -> None:
        """
        A job that fails says so; what is refused raises with the server's words and status; a stranger is not asked.
        """
        self.resolve()
        client = self.client()
        status, results = await client.ended(await client.start("none.example.com"))
        self.assertEqual((status, results[0][0]), ("error", "OpPrereqError"))
        for asking, expected, word in (
            (client.one("nodes", "none.example.com"), 404, "none.example.com"),
            (client.submit({"OP_ID": "OP_NOSUCH"}), 400, "OP_NOSUCH"),
            (client.create({**CREATE, "colour": "red"}), 400, "colour"),
            (self.client("wrong").info(), 401, ""),
        ):
            try:
                await asking
            except RAPIError as reason:
                self.assertEqual((reason.status, word in str(reason)), (expected, True), reason)
            else:
                self.fail(f"{expected} was expected")
        stranger = self.client(authority=self.paths.server_pem.read_bytes())
        await self.assertFailure(Deferred.fromCoroutine(stranger.info()), ResponseFailed)
