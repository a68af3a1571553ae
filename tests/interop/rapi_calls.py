"""
Calls Ganeti's own Python RAPI client, run by Ganeti's Python and not by ours: prints what it gave, as JSON.

C{rapi_calls.py ADDRESS USER PASSWORD} reads C{[method, arguments, keywords]} line by line.
"""

import json
import sys

import pycurl  # type: ignore[import-untyped,unused-ignore]
from ganeti.rapi import client as rapi  # type: ignore[import-not-found,unused-ignore]


def configure(curl, _):  # type: ignore[no-untyped-def]
    curl.setopt(pycurl.SSL_VERIFYPEER, False)
    curl.setopt(pycurl.SSL_VERIFYHOST, False)


def main() -> None:
    address, user, password = sys.argv[1:]
    client = rapi.GanetiRapiClient(address, username=user, password=password, curl_config_fn=configure)
    for line in sys.stdin:
        method, arguments, keywords = json.loads(line)
        try:
            outcome = ["ok", getattr(client, method)(*arguments, **keywords)]
        except rapi.Error as reason:
            outcome = [type(reason).__name__, str(reason)]
        sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    rapi.UsesRapiClient(main)()
