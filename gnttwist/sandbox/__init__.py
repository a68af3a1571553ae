"""
Virtual clusters on one machine.
"""
