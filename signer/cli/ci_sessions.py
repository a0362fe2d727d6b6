"""``artifact-signer ci-sessions``: what jobs of CI hold now, and ending it before its time."""

from __future__ import annotations

from pathlib import Path

import click

from signer.cli.access_sources import opened
from signer.cli.connection import either_option, json_option
from signer.cli.output import note, show_json, table
from signer.cli.people import reason_option

# What tells people most about a run, where it is known.
SHOWN_CLAIMS = ("ref", "ref_path", "environment", "run_id", "pipeline_id")


@click.group("ci-sessions")
def ci_sessions() -> None:
    """List and revoke sessions of CI jobs."""


@ci_sessions.command("list")
@json_option
@either_option
def list_sessions(*, as_json: bool, config: Path | None) -> None:
    """List all sessions that are not over, revoked ones too."""
    with opened(config, "ci-sessions list") as access:
        found = access.ci_sessions()
    if as_json:
        show_json(found)
        return
    rows = [
        (each["session"], each["identity"], _run(each["claims"]), each["expires_at"], each["revoked_at"])
        for each in found["sessions"]
    ]
    click.echo(table(("SESSION", "IDENTITY", "RUN", "EXPIRES", "REVOKED"), rows))


@ci_sessions.command("revoke")
@click.argument("session", required=False)
@click.option("--identity", help="end all sessions of this identity")
@reason_option
@either_option
def revoke_session(session: str | None, *, identity: str | None, reason: str, config: Path | None) -> None:
    """End SESSION, by its id, before its time."""
    if (session is None) == (identity is None):
        raise click.UsageError("give a session or --identity")
    with opened(config, "ci-sessions revoke") as access:
        revoked = access.revoke_ci_sessions(reason, session=session, identity=identity)
    note(f"revoked {session}" if session is not None else f"revoked {revoked} sessions of {identity}")


def _run(claims: dict[str, str]) -> str:
    return ", ".join(f"{name}={claims[name]}" for name in SHOWN_CLAIMS if name in claims)
