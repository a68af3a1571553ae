"""
Ganeti's own LUXI client in several threads, each with a connection of its own. Run with Ganeti's modules on the path:
C{luxi_threads.py THREADS JOBS}; prints one line of JSON.
"""

import json
import sys
import threading

from ganeti import luxi, opcodes  # type: ignore[import-not-found]  # from Debian's package


def work(index: int, jobs: int, found: dict[int, list[str]]) -> None:
    """
    Submit jobs one by one and by many, wait for each, and ask about it in between.
    """
    client = luxi.Client()
    states = []
    for number in range(jobs):
        op = opcodes.OpTestDelay(duration=0.001, on_master=True, on_nodes=[], comment=f"{index}/{number}")
        if number % 2:
            job = client.SubmitJob([op])
        else:
            [(accepted, job)] = client.SubmitManyJobs([[op]])
            assert accepted, job
        client.QueryClusterInfo()
        previous, serial = None, None
        while True:
            change = client.WaitForJobChangeOnce(job, ["status"], previous, serial, 10)
            if change == "nochange":
                continue
            previous, lines = change
            if lines:
                serial = lines[-1][0]
            elif previous[0] in ("success", "error", "canceled"):
                break
        [[status, [op_input]]] = client.QueryJobs([job], ["status", "ops"])
        assert op_input["comment"] == f"{index}/{number}", op_input
        states.append(status)
    client.Close()
    found[index] = states


def main() -> None:
    """
    Run the threads, and tell how their jobs ended.
    """
    threads, jobs = (int(each) for each in sys.argv[1:])
    found: dict[int, list[str]] = {}
    started = [threading.Thread(target=work, args=(index, jobs, found)) for index in range(threads)]
    for each in started:
        each.start()
    for each in started:
        each.join()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
