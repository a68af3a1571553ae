"""
gnt-masterd: LUXI, the store, the configuration and the job queue in one process.
"""
