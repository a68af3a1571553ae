"""
Hooks: the administrator's programs that run before and after operations.
"""
