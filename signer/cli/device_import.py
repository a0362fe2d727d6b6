"""``artifact-signer devices import``: devices of another Mender server, on the machine of the installation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from signer.cli.connection import json_option
from signer.cli.import_report import Report, dry_run_option, report_option, reporting, skip_option
from signer.cli.local import config_option
from signer.cli.local_database import local_database
from signer.cli.output import note, show_json

if TYPE_CHECKING:
    from signer.services.device_import import ImportCounts, Remark

ACTOR = "artifact-signer devices import"


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@dry_run_option
@skip_option
@report_option
@json_option
@config_option
def import_devices(
    *, file: Path, dry_run: bool, skip_faulty: bool, report: Path | None, as_json: bool, config: Path
) -> None:
    """Take over the devices of another Mender server, as FILE lists them."""
    from signer.bootstrap import utc_now
    from signer.device_bootstrap import device_import
    from signer.device_lists import DeviceListFile

    with local_database(config) as (settings, database), DeviceListFile(file) as devices:
        importing = device_import(settings.devices, database, utc_now)
        with reporting(report) as told:
            counts = importing.review(devices, lambda remark: _tell(told, remark), skip_faulty=skip_faulty)
        if not dry_run:
            counts = importing.take(devices, counts, actor=ACTOR)
    _show(counts, dry_run=dry_run, as_json=as_json)


def _tell(report: Report, remark: Remark) -> None:
    report.tell(remark.number, remark.reason.value, remark.device)


def _show(counts: ImportCounts, *, dry_run: bool, as_json: bool) -> None:
    by_reason = {reason.value: number for reason, number in sorted(counts.by_reason.items())}
    if as_json:
        document = {"dry_run": dry_run, "entries": counts.entries, "list_sha256": counts.list_sha256}
        show_json({**document, "outcomes": by_reason})
        return
    told = ", ".join(f"{number} {reason}" for reason, number in by_reason.items())
    note(f"{'would take' if dry_run else 'took'} {counts.entries} entries: {told or 'none'}")
