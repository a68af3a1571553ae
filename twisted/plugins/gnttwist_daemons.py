"""
The daemons, for C{twistd}.
"""

from twisted.application.service import ServiceMaker

noded = ServiceMaker(
    "gnttwist node daemon", "gnttwist.noded.service", "Runs functions on this node.", "gnt-noded"
)
confd = ServiceMaker(
    "gnttwist configuration daemon", "gnttwist.confd.service", "Answers signed queries over UDP.", "gnt-confd"
)
masterd = ServiceMaker(
    "gnttwist master daemon", "gnttwist.masterd.service", "Serves LUXI and runs jobs.", "gnt-masterd"
)
rapi = ServiceMaker(
    "gnttwist remote API daemon", "gnttwist.rapi.service", "Serves the remote API over HTTPS.", "gnt-rapi"
)
together = ServiceMaker(
    "gnttwist in one process", "gnttwist.all.service", "All daemons of one machine.", "gnt-all"
)
