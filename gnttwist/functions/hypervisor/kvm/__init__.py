"""
Guests by QEMU, with the kernel's KVM where that works and without it where it does not.
"""
