"""
C{gnt cluster renew-certs} and C{redist-conf}: what all nodes have as the master has it.
"""

from pathlib import Path

import click

from gnttwist.cli.follow import run, submit_option
from gnttwist.cli.session import Session, json_option, opcode, pass_session
from gnttwist.cli.submitting import confirm, dry_run_option, force_option
from gnttwist.paths import Paths

file_type = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("renew-certs")
@click.option(
    "--all", "everything", is_flag=True, help="All that follow; RAPI's and SPICE's where there are any."
)
@click.option("--new-cluster-certificate", is_flag=True, help="The cluster's, and with it the nodes'.")
@click.option("--new-node-certificates", is_flag=True, help="The nodes' own.")
@click.option("--new-rapi-certificate", is_flag=True, help="The remote API's.")
@click.option("--new-spice-certificate", is_flag=True, help="SPICE's.")
@click.option("--new-confd-hmac-key", is_flag=True, help="The key of questions to gnt-confd.")
@click.option(
    "--new-cluster-domain-secret", is_flag=True, help="What moves between clusters are signed with."
)
@click.option(
    "--rapi-certificate", type=file_type, metavar="FILE", help="Use this key and certificate instead."
)
@click.option("--spice-certificate", type=file_type, metavar="FILE", help="Use this key and certificate ...")
@click.option(
    "--spice-ca-certificate", type=file_type, metavar="FILE", help="... and the one that has signed it."
)
@click.option("--cluster-domain-secret", type=file_type, metavar="FILE", help="Use this secret instead.")
@click.option("--rsa", is_flag=True, help="RSA keys, for clients that know no others; slower.")
@force_option
@dry_run_option
@submit_option
@json_option
@pass_session
def renew_certs(
    session: Session,
    /,
    everything: bool,
    new_cluster_certificate: bool,
    new_node_certificates: bool,
    new_rapi_certificate: bool,
    new_spice_certificate: bool,
    new_confd_hmac_key: bool,
    new_cluster_domain_secret: bool,
    rapi_certificate: Path | None,
    spice_certificate: Path | None,
    spice_ca_certificate: Path | None,
    cluster_domain_secret: Path | None,
    rsa: bool,
    force: bool,
    dry_run: bool,
    submit: bool,
    as_json: bool,
) -> None:
    """
    Make keys and certificates anew, or replace them by given ones. Everything goes on meanwhile.

    It can be interrupted and repeated at any time.
    """
    paths = session.paths
    if (new_rapi_certificate and rapi_certificate) or (new_cluster_domain_secret and cluster_domain_secret):
        raise click.UsageError("a file and --new-... of the same kind contradict each other")
    if bool(spice_certificate) != bool(spice_ca_certificate) or (new_spice_certificate and spice_certificate):
        raise click.UsageError("give both of SPICE's certificates, and then no --new-spice-certificate")
    given = {
        "rapi.pem": rapi_certificate,
        "spice.pem": spice_certificate,
        "spice-ca.pem": spice_ca_certificate,
        "cluster-domain-secret": cluster_domain_secret,
    }
    contents = {name: file.read_bytes() for name, file in given.items() if file is not None}
    kinds = {
        "cluster_certificate": new_cluster_certificate or everything,
        "node_certificates": new_node_certificates or everything,
        "rapi_certificate": new_rapi_certificate
        or (everything and not rapi_certificate and (paths.data / "rapi.pem").exists()),
        "spice_certificate": new_spice_certificate
        or (everything and not spice_certificate and (paths.data / "spice.pem").exists()),
        "confd_hmac_key": new_confd_hmac_key or everything,
        "cluster_domain_secret": new_cluster_domain_secret or (everything and not cluster_domain_secret),
    }
    if not contents and not any(kinds.values()):
        raise click.UsageError("say what to renew, or --all")
    confirm("Make these keys and certificates anew, on all nodes?", force or dry_run)
    _install(paths, contents, dry_run)
    if not any(kinds.values()):
        click.echo("The files are in place; gnt-masterd brings them to the other nodes.")
        return
    op = opcode("OP_CLUSTER_RENEW_CRYPTO", **kinds, rsa=rsa, dry_run=dry_run)
    run(session, [op], submit_only=submit, as_json=as_json)
    if submit or as_json:
        return
    if dry_run:
        click.echo("All nodes that are not offline answer; nothing was changed.")
    else:
        click.echo("All keys and certificates that were asked for are in use on all nodes.")


@click.command("redist-conf")
@submit_option
@json_option
@pass_session
def redist_conf(session: Session, submit: bool, as_json: bool) -> None:
    """
    Give all nodes the configuration, keys and certificates again, where they differ from the master's.
    """
    run(session, [opcode("OP_CLUSTER_REDIST_CONF")], submit_only=submit, as_json=as_json)


def _install(paths: Paths, contents: dict[str, bytes], dry_run: bool) -> None:
    """
    Put given files in their places on the master.

    @raise click.ClickException: One is not what it is to be; nothing was written.
    """
    if not contents:
        return
    # Imported here: they bring cryptography with them.
    from cryptography import x509

    from gnttwist.net.certificates import BadCertificate, Credentials, write
    from gnttwist.privileges.accounts import load
    from gnttwist.privileges.ensure import ensure

    if not paths.store.exists():
        raise click.ClickException("this machine is not the master: renew there")
    for name, content in contents.items():
        try:
            if name == "spice-ca.pem":
                x509.load_pem_x509_certificate(content)
            elif name.endswith(".pem"):
                Credentials.from_pem(content)
            elif not content.strip():
                raise BadCertificate("it is empty")
        except (BadCertificate, ValueError) as reason:
            raise click.ClickException(f"the file for {name} cannot be used: {reason}") from reason
    if not dry_run:
        for name, content in contents.items():
            write(paths.data / name, content, 0o440)
        ensure(paths, load(paths), repair=True)
