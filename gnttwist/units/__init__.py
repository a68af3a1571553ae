"""
Logical units: what each opcode does.
"""
