"""
The documentation of the remote API: C{python -m gnttwist.rapi.page > docs/rapi.md}.

A test runs its examples.
"""

import sys
from collections.abc import Iterator
from itertools import groupby

from gnttwist.rapi.routes import REASON, Route
from gnttwist.rapi.table import ROUTES
from gnttwist.rapi.users import PERMISSIONS, ROLES

INTRODUCTION = """\
# The remote API

Made by `python -m gnttwist.rapi.page` from the table that gnt-rapi serves requests from; `/openapi.json` is
the same in OpenAPI 3.1, with every parameter of every body.

`gnt-rapi` serves Ganeti's RAPI, version 2, over HTTPS on port 5080 of the node's own address (`--bind` and
`--port` choose others), with the certificate in `/var/lib/ganeti/rapi.pem`, which may be replaced while it
runs. It speaks HTTP/1.1, keeps connections, and takes bodies of up to 10 MiB, of which the length must be
said. On a node that is not the master it answers 307 with the master's address.

## First steps

    export RAPI=https://cluster.example.com:5080
    export CURL_HOME=~/.gnt      # whose .curlrc has: user = NAME:PASSWORD, cacert = FILE, fail-with-body, silent

What there is:

```sh
curl $RAPI/2/info
curl "$RAPI/2/nodes?bulk=1"
curl "$RAPI/2/query/instance?fields=name,status,pnode"
```

What changes something submits a job, and answers its number. Bodies are JSON, and say so:

```sh
JOB=$(curl -X PUT "$RAPI/2/tags?tag=staging&reason=trying")
curl -X GET -H 'Content-Type: application/json' -d '{"fields": ["status", "opresult"]}' $RAPI/2/jobs/$JOB/wait
curl $RAPI/2/jobs/$JOB
```

An instance:

```sh
curl -X POST -H 'Content-Type: application/json' -d '{
  "__version__": 1, "mode": "create", "instance_name": "web.example.com", "os_type": "noop",
  "disk_template": "diskless", "disks": [], "nics": [], "ip_check": false, "name_check": false,
  "pnode": "node1.sandbox.test"
}' "$RAPI/2/instances?dry-run=1"
```

A job of any opcodes, also of those that have no resource:

```sh
curl -X POST -H 'Content-Type: application/json' \\
  -d '{"ops": [{"OP_ID": "OP_TEST_DELAY", "duration": 0.1}]}' $RAPI/2/jobs
```

What nodes, groups, networks, filters and tags are there:

```sh
curl "$RAPI/2/groups?bulk=1"
curl $RAPI/2/networks
curl $RAPI/2/filters
curl $RAPI/2/tags
curl $RAPI/openapi.json
```

In Python, `gnttwist.client.rapi` does the same on Twisted.

## Events

`GET /2/events` tells what happens as it happens, as Server-Sent Events: jobs with their new log lines and their
progress, and which objects of the configuration have changed.

    id: 41.38
    event: jobs
    data: {"jobs": [{"id": 7, "status": "running", "log": [{"serial": 1, "payload": "* Creating 1 disk(s)"}]}]}

* `jobs` has every job that changed since the last event, as it is now, with the lines that are new; `objects` has
  `{"kind", "uuid", "name", "there"}` for each node, group, network, instance and the cluster itself that changed.
* The first event is `begin`: load what you show after it, and nothing falls between.
* After a broken connection send the last id in the header `Last-Event-ID`: what was missed is told, nothing twice.
  If that is not known any more, as after a long time or, for objects, a restart of gnt-masterd, the event `snapshot`
  says so: load everything again.
* The answer's header `Gnt-Permissions` says what the user may do.
* `kind=` and `job=`, both repeatable, choose. In silence there is a comment every 15 seconds. A client that does not
  read is cut off, and can come back.
* A job of which only the progress has changed is told in an event without an id: progress is not stored.

    curl -N "$RAPI/2/events?kind=job"

## The page

`https://MASTER:5080/ui/` shows the cluster in a browser as it changes: nodes, instances, jobs with their logs and
progress, and who waits for locks. It signs in as a user of the remote API, whose password stays in the page's memory;
its buttons do what that user may do, and it has no others. Its files need no user and nothing from other hosts.

## Figures

`GET /metrics` answers OpenMetrics. What is counted is counted since gnt-masterd's start; `process_...` is about
gnt-rapi itself. The names below begin with `gnt_`.

| family | what |
|---|---|
| `jobs`, `oldest_queued_seconds`, `job_queued_seconds` | jobs by status, and how long they are queued |
| `opcode_seconds`, `opcode_failures_total` | opcodes that ended, by opcode |
| `locks` | locks that are held, and requests that wait |
| `lock_wait_seconds`, `lock_wait_failures_total` | how long jobs waited for locks; how often one gave up |
| `rpc_seconds`, `rpc_failures_total` | calls to nodes, by node and function |
| `rpc_running` | those under way, by node: each is one function process there |
| `luxi_request_seconds`, `luxi_request_failures_total` | calls to gnt-masterd, by method |
| `nodes`, `instances`, `node_instances` | nodes by role, instances by status, primary ones by node |
| `node_memory_bytes`, `node_memory_free_bytes` | of each node that answers |
| `node_disk_bytes`, `node_disk_free_bytes` | the same |
| `certificate_expiry_days` | of the master's client.pem and rapi.pem, and of the cluster's server.pem |
| `confd_answered_total`; `unsigned`, `silent`, `limited`, `unusable` | what each candidate's gnt-confd counted |
| `rapi_waiting` | requests that wait for jobs |

gnt-masterd asks each candidate's gnt-confd for its figures, ten at most; one that does not answer within half a
second is left out. Of one with several processes (`--workers`) one tells its own.

## When something is wrong

The answer is `{"code": STATUS, "message": "...", "explain": "..."}`.

| status | when |
|---|---|
| 307 | the master is another node; `Location` says where |
| 400 | a body or an argument is wrong; the text names it. Also where the opcode is not supported yet |
| 401 | no user, or a wrong password; answered later with each attempt, up to 5 s |
| 403 | the user lacks a permission, or a parameter may not be set here |
| 404 | no such resource or object |
| 411, 413, 414, 431 | a length is not said, or is too long |
| 415 | a body without `Content-Type: application/json` |
| 429 | too many failed attempts from this address |
| 501 | the resource has no such method |
| 502, 503, 504 | gnt-masterd is not there, busy or late; `Retry-After` says when to try again |
| 500 | a bug of ours, or what gnt-masterd could not do; the log has the incident |

## Users

`/var/lib/ganeti/rapi/users` on the master, which sends it to all nodes; `conf/rapi-users` is a sample. It is
read again when it changes; a mistake in it is logged, and the users read before stay. A user a line: name,
password, options. The password is clear, `{CLEARTEXT}...`, or `{HA1}` and the MD5 of `NAME:Ganeti Remote
API:PASSWORD`. The options are Ganeti's `read` and `write`, or roles and permissions from left to right:
`@operator,+nodes,-console`. A user without options may read.

Every request but those for the page's files needs a user, unless gnt-rapi runs with `--anonymous-read`.

"""


def render() -> str:
    """
    The page.
    """
    return INTRODUCTION + "\n".join([*_permissions(), "", *_resources()]) + "\n"


def _permissions() -> Iterator[str]:
    yield "| permission | for | roles |"
    yield "|---|---|---|"
    for name, purpose in PERMISSIONS.items():
        roles = ", ".join(f"`@{role}`" for role, granted in ROLES.items() if name in granted)
        yield f"| {name} | {purpose} | {roles} |"


def _resources() -> Iterator[str]:
    yield "## Resources"
    yield ""
    yield f"What submits a job takes `{REASON.name}=TEXT`, too, for the job's trail of reasons."
    for family, routes in groupby(ROUTES, _family):
        yield ""
        yield f"### {family}"
        yield ""
        yield "| request | what | permission | arguments |"
        yield "|---|---|---|---|"
        for each in routes:
            yield _row(each)


def _row(route: Route) -> str:
    opcode = f" (`{route.opcode}`)" if route.opcode else ""
    arguments = ", ".join(f"`{each.name}`" for each in route.arguments if each is not REASON)
    return f"| {route.method} `{route.path}` | {route.purpose}{opcode} | {route.permission} | {arguments} |"


def _family(route: Route) -> str:
    match route.path.split("/"):
        case [
            "",
            "2",
            ("nodes" | "instances" | "networks" | "groups" | "jobs" | "query" | "filters") as name,
            *_,
        ]:
            return name.capitalize()
        case ["", "2", "instances-multi-alloc"]:
            return "Instances"
        case _:
            return "The cluster"


if __name__ == "__main__":
    sys.stdout.write(render())
