"""
The smallest guest that shows whether an accelerator works: a boot sector that takes a processor through its modes
as a boot loader and a kernel do, and writes a letter in each. Pure.

Real mode alone shows nothing: there are hosts whose KVM emulates that in software, slowly, and fails at the first
instruction that its emulator lacks, which is C{iret} in protected mode.
"""

from typing import Final

LETTERS: Final = b"RPILK"
"""
What it writes to port 0xE9: in real mode, in protected mode, after an interrupt return there, in long mode, and
after some work there.
"""

STATES: Final = (
    "before its first instruction",
    "in real mode",
    "in protected mode",
    "on the way to long mode",
    "in long mode",
)
"""
Where it was when so many letters had been written, and no more came.
"""

EXIT_CODE: Final = 0x10
"""
What it writes to port 0xF4 at last.
"""

STATUS: Final = EXIT_CODE << 1 | 1
"""
The exit status of QEMU after that, by its device C{isa-debug-exit}.
"""

_CODE: Final = """
    fa                          # cli                   the BIOS started this at 0000:7C00, in real mode
    31c0                        # xor ax, ax
    8ed8 8ec0 8ed0              # mov ds, ax; mov es, ax; mov ss, ax
    bc007c                      # mov sp, 7C00h
    b052 e6e9                   # write 'R'
    660f0116e07c                # lgdt [7CE0h]
    0f20c0 0c01 0f22c0          # set CR0.PE
    66ea267c00000800            # jmp 08h:7C26h
    66b81000                    # mov ax, 10h           protected mode, 32 bits
    8ed8 8ec0 8ed0              # mov ds, ax; mov es, ax; mov ss, ax
    bc007c0000                  # mov esp, 7C00h
    b050 e6e9                   # write 'P'
    9c 6a08 68427c0000          # push flags, 08h and 7C42h
    cf                          # iret                  to the next line
    b049 e6e9                   # write 'I'
    bf00100000 31c0             # mov edi, 1000h; xor eax, eax
    b9000c0000 fc f3ab          # clear three pages     for the tables: 1000h -> 2000h -> 3000h -> the first 2 MiB
    c7050010000003200000        # mov [1000h], 2003h
    c7050020000003300000        # mov [2000h], 3003h
    c7050030000083000000        # mov [3000h], 0083h
    b800100000 0f22d8           # mov cr3, 1000h
    0f20e0 0c20 0f22e0          # set CR4.PAE
    b9800000c0 0f32 80cc01 0f30 # set EFER.LME
    0f20c0 0d00000080 0f22c0    # set CR0.PG
    eaa17c00001800              # jmp 18h:7CA1h
    b04c e6e9                   # write 'L'             long mode, 64 bits
    b900000004                  # mov ecx, 4000000h
    ffc9 75fc                   # dec ecx; jnz          64 million times: an emulator takes too long
    b04b e6e9                   # write 'K'
    b010 e6f4                   # write 10h to port F4h
    f4 ebfd                     # hlt, for ever
"""

_TABLE_AT: Final = 0xC0
_TABLE: Final = """
    0000000000000000            # 00h nothing
    ffff0000009bcf00            # 08h code, 32 bits
    ffff00000093cf00            # 10h data
    ffff0000009baf00            # 18h code, 64 bits
    1f00 c07c0000               # where this table is, for lgdt
"""

SECTORS: Final = 2048
"""
The disk's size: 1 MiB, so that BIOSes find a plausible geometry.
"""


def disk() -> bytes:
    """
    The content of the disk that it boots from.
    """
    code, table = _bytes(_CODE), _bytes(_TABLE)
    sector = (code.ljust(_TABLE_AT, b"\0") + table).ljust(510, b"\0") + b"\x55\xaa"
    return sector.ljust(SECTORS * 512, b"\0")


def _bytes(listing: str) -> bytes:
    return bytes.fromhex("".join(line.partition("#")[0] for line in listing.splitlines()))
