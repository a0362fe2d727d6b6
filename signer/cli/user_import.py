"""``artifact-signer users import``: users of another Mender server, on the machine of the installation."""

from __future__ import annotations

from pathlib import Path

import click

from signer.cli.connection import json_option
from signer.cli.import_report import dry_run_option, report_option, reporting, skip_option
from signer.cli.local import config_option
from signer.cli.local_database import local_database
from signer.cli.output import note, show_json
from signer.domain.users import DEFAULT_ROLE, checked_roles

ACTOR = "artifact-signer users import"


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--passwords",
    "passwords_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="file for the passwords of those who come without a hash; each logs in once",
)
@click.option("--role", "roles", multiple=True, metavar="NAME", help="name that rules may use (repeat)")
@dry_run_option
@skip_option
@report_option
@json_option
@config_option
def import_users(
    *,
    file: Path,
    passwords_file: Path | None,
    roles: tuple[str, ...],
    dry_run: bool,
    skip_faulty: bool,
    report: Path | None,
    as_json: bool,
    config: Path,
) -> None:
    """Take over the users of another Mender server, as FILE lists them. Without --role they are device-managers."""
    from signer.bootstrap import utc_now
    from signer.one_time_passwords import OneTimePasswordFile
    from signer.user_bootstrap import user_import
    from signer.user_lists import read_user_list

    given = checked_roles(roles or (DEFAULT_ROLE,))
    listed, list_sha256 = read_user_list(file)
    with (
        local_database(config) as (settings, database),
        user_import(settings.users, database, utc_now, roles=given) as importing,
    ):
        with reporting(report) as told:
            review = importing.review(listed, told.tell, skip_faulty=skip_faulty)
        if not dry_run:
            if review.without_hash and passwords_file is None:
                raise click.UsageError(
                    f"{len(review.without_hash)} users come without a hash: name a file, --passwords"
                )
            one_time = None if passwords_file is None else OneTimePasswordFile(passwords_file)
            importing.take(review, one_time, actor=ACTOR, list_sha256=list_sha256)
    by_reason = {reason.value: number for reason, number in sorted(review.by_reason.items())}
    if as_json:
        document = {"dry_run": dry_run, "entries": review.entries, "list_sha256": list_sha256}
        show_json({**document, "outcomes": by_reason, "one_time_passwords": len(review.without_hash)})
        return
    counts = ", ".join(f"{number} {reason}" for reason, number in by_reason.items()) or "none"
    note(f"{'would take' if dry_run else 'took'} {review.entries} entries: {counts}")
    if review.without_hash and not dry_run:
        note(
            f"{len(review.without_hash)} of them log in once with a password in {passwords_file}, and choose their own"
        )
