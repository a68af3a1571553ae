"""
How many descriptors a daemon may have: each connection is one.
"""

import resource

MANY = 1 << 20
"""
As good as no limit.
"""


def allow_descriptors() -> int:
    """
    Raise this process's own limit, which is 1,024 on most machines, as far as it may.

    @return: The limit.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return MANY if hard == resource.RLIM_INFINITY else hard
