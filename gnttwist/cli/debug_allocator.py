"""
C{gnt debug iallocator}.
"""

import json

import click

from gnttwist.cli.follow import follow, submit, view
from gnttwist.cli.output import print_json
from gnttwist.cli.parameters import size
from gnttwist.cli.session import Session, json_option, opcode, pass_session


@click.command()
@click.argument("name")
@click.option(
    "-I", "--iallocator", metavar="NAME", default=".", help="The allocator. Default: the cluster's."
)
@click.option(
    "--dir", "direction", type=click.Choice(["in", "out"]), default="in", help="Question or answer."
)
@click.option(
    "-m",
    "--mode",
    type=click.Choice(["allocate", "multi-allocate", "relocate", "node-evacuate", "change-group"]),
    default="allocate",
    help="What it is asked for.",
)
@click.option("--memory", default="128m", help="Of the instance.")
@click.option("--vcpus", type=click.IntRange(1), default=1, help="Processors of the instance.")
@click.option("--disks", default="1g", metavar="SIZE,...", help="Sizes of the instance's disks.")
@click.option("-t", "--disk-template", metavar="TEMPLATE", help="Default: the cluster's first one.")
@click.option("-H", "--hypervisor", metavar="NAME", help="Default: the cluster's first one.")
@click.option("-o", "--os-type", metavar="OS", help="The operating system.")
@click.option("--count", type=click.IntRange(1), default=1, help="How many, with multi-allocate.")
@click.option("-g", "--group", "group_name", metavar="GROUP", help="The group that it is to be in.")
@click.option("--to", "targets", multiple=True, metavar="GROUP", help="With change-group; may be repeated.")
@json_option
@pass_session
def iallocator(
    session: Session,
    name: str,
    iallocator: str,
    direction: str,
    mode: str,
    memory: str,
    vcpus: int,
    disks: str,
    disk_template: str | None,
    hypervisor: str | None,
    os_type: str | None,
    count: int,
    group_name: str | None,
    targets: tuple[str, ...],
    as_json: bool,
) -> None:
    """
    Show what an allocator is asked, or with --dir out what it answers, about an instance called NAME. Nothing is
    changed.
    """
    sizes = [size(each) for each in disks.split(",") if each]
    op = opcode(
        "OP_TEST_ALLOCATOR",
        name=name,
        iallocator=iallocator,
        direction=direction,
        mode=mode,
        memory=size(memory),
        vcpus=vcpus,
        disks=[{"size": each, "mode": "rw"} for each in sizes],
        disk_template=disk_template,
        hypervisor=hypervisor,
        os=os_type,
        count=count,
        group_name=group_name,
        instances=[name] if mode in ("node-evacuate", "change-group") else None,
        target_groups=list(targets) or None,
    )
    client = session.client
    with view(quiet=True) as shown:
        [answer] = follow(client, submit(client, op), shown)
    if as_json:
        print_json(json.loads(answer))
    else:
        click.echo(answer.strip())
