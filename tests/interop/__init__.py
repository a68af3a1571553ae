"""
Unmodified Ganeti programs against a sandbox.
"""
