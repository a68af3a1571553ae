"""
Frozen values: the configuration's objects, jobs and opcodes. No I/O.
"""
