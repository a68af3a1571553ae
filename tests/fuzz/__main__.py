"""
Run schemathesis, which lives in an environment of its own, against a sandbox: no answer may be an internal error, or
one that the description does not have.
"""

import shutil
import subprocess
import sys
import tempfile
import venv
from base64 import b64encode
from pathlib import Path

from gnttwist.sandbox.layout import read_state
from gnttwist.sandbox.lifecycle import down

EXAMPLES = "20"
"""
Requests of each operation.
"""

CHECKS = "not_a_server_error,status_code_conformance,response_schema_conformance,content_type_conformance"

SLOW = "powercycle|/wait|/events"
"""
Resources that are left out: one that stops the sandbox's node, and those that answer late on purpose.
"""

TIMEOUT = 600


def main(directory: Path) -> int:
    """
    Install schemathesis below a directory, and run it.
    """
    program = directory / "bin/schemathesis"
    if not program.exists():
        venv.create(directory, with_pip=True)
        subprocess.run([directory / "bin/pip", "install", "--quiet", "schemathesis>=4"], check=True)
    place = Path(tempfile.mkdtemp(prefix="gnt-"))
    gnt = Path(sys.executable).parent / "gnt"
    subprocess.run(
        [gnt, "sandbox", "up", "--dir", place / "s", "--nodes", "1"], check=True, capture_output=True
    )
    try:
        sandbox = read_state(place / "s")
        base = f"https://{sandbox.master.address}:5080"
        name, password, _ = sandbox.paths(sandbox.master).rapi_users.read_text().split()
        credentials = b64encode(f"{name}:{password}".encode()).decode()
        command = [str(program.absolute()), "run", f"{base}/openapi.json", "--url", base]
        command += ["--header", f"Authorization: Basic {credentials}", "--tls-verify", "false"]
        command += ["--phases", "fuzzing", "--checks", CHECKS, "--max-examples", EXAMPLES]
        command += ["--exclude-path-regex", SLOW]
        return subprocess.run(command, cwd=place, timeout=TIMEOUT, check=False).returncode
    finally:
        down(place / "s")
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
