"""
A control plane for clusters of virtual machines that speaks Ganeti's protocols.
"""
