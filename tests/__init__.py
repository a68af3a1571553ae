"""
Tests; the tree mirrors gnttwist's.
"""

from hypothesis import HealthCheck, settings

# How long an example takes depends on what else the machine does; what a test may take, trial bounds.
settings.register_profile("gnttwist", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gnttwist")
