"""
gnt-all: gnt-noded, gnt-confd, gnt-rapi and, on the master, gnt-masterd on one reactor, as one user.

It is for machines that have little memory and one user to run it all. What that gives up: the process that parses
what the network sends may also change the cluster, and one daemon's end is that of all.
"""

from typing import Any

import attrs
from attrs import frozen

from twisted.application.service import IService, MultiService
from twisted.python.usage import Options as UsageOptions

from gnttwist.confd import service as confd
from gnttwist.masterd import service as masterd
from gnttwist.noded import options as node_options
from gnttwist.noded import service as noded
from gnttwist.paths import Paths
from gnttwist.privileges.accounts import Accounts
from gnttwist.rapi import service as rapi

ONE_PROCESS = Accounts(lacking="gnt-all's daemons share a process")


@frozen
class Config:
    """
    What each daemon is asked for.

    @ivar rapi: C{None} where it is not wanted, or the node has no certificate for it.
    @ivar masterd: C{None} where this node is not the master.
    """

    noded: node_options.Config
    confd: confd.Config
    rapi: rapi.Config | None
    masterd: masterd.Config | None


class Options(UsageOptions):
    """
    gnt-all's command line.
    """

    synopsis = "[options]"
    config: Config
    optParameters = [["root", None, None, "The directory that all paths lie below"]]
    optFlags = [["no-rapi", None, "Do not serve the remote API"]]

    def postOptions(self) -> None:
        """
        Turn the options into one value, as each daemon does it.

        @raise UsageError: A daemon would not start here.
        """
        arguments = [] if self["root"] is None else ["--root", self["root"]]
        node, answers = node_options.Options(), confd.Options()
        node.parseOptions(arguments)
        answers.parseOptions(arguments)
        remote = None
        if not self["no-rapi"] and node.config.paths.rapi_pem.exists():
            served = rapi.Options()
            served.parseOptions(arguments)
            remote = attrs.evolve(served.config, accounts=ONE_PROCESS)
        master = None
        if _is_master(node.config.paths):
            options = masterd.Options()
            options.parseOptions(arguments)
            master = attrs.evolve(options.config, accounts=ONE_PROCESS)
        self.config = Config(
            noded=attrs.evolve(node.config, accounts=ONE_PROCESS),
            confd=attrs.evolve(answers.config, accounts=ONE_PROCESS),
            rapi=remote,
            masterd=master,
        )


def _is_master(paths: Paths) -> bool:
    """
    Whether the cluster's master is this node; the store tells nothing, for former masters keep theirs.
    """
    return paths.ssconf("master_node").read_text().strip() == paths.hostname


def makeService(options: Options) -> IService:
    """
    The daemons.
    """
    from twisted.internet import reactor  # noqa: TID251  # the one place that may fetch it

    return compose(reactor, options.config)


def compose(reactor: Any, config: Config) -> MultiService:
    """
    Put the daemons together; on a stop the master daemon, whose jobs call the others, ends with them.
    """
    service = MultiService()
    noded.compose(reactor, config.noded).setServiceParent(service)
    confd.compose(reactor, config.confd).setServiceParent(service)
    if config.rapi is not None:
        rapi.compose(reactor, config.rapi).setServiceParent(service)
    if config.masterd is not None:
        masterd.compose(reactor, config.masterd).setServiceParent(service)
    return service
