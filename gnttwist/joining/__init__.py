"""
Joining a cluster: what the new machine and the master do with the messages of L{gnttwist.wire.join}.
"""
