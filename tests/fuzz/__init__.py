"""
Requests made up from the remote API's own description: C{python -m tests.fuzz DIRECTORY}, which C{make fuzz} runs.
"""
