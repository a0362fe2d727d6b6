"""The group of all commands, and the one place where errors become sentences and exit codes.

Exit codes: 0 done, 1 refused or failed, 2 usage, 3 the service could not be reached or asked, 4 it waits for approvals,
70 a defect, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType

import click

from signer import __version__
from signer.cli.exit_codes import INTERNAL, INTERRUPTED, REFUSED, USAGE
from signer.cli.lazy import Entry, LazyGroup
from signer.cli.output import complain

# Modules are imported only when their command runs; what the list of commands says of them stands here.
COMMANDS: Mapping[str, Entry] = MappingProxyType(
    {
        "init": Entry(target="signer.cli.local:init", summary="make an installation in a directory"),
        "serve": Entry(target="signer.cli.local:serve", summary="run the service until it is stopped"),
        "database": Entry(target="signer.cli.local:database", summary="look after the database"),
        "api-tokens": Entry(target="signer.cli.api_tokens:api_tokens", summary="create, list and revoke API tokens"),
        "people": Entry(target="signer.cli.people:people", summary="keep people, whose credentials end together"),
        "users": Entry(target="signer.cli.users:users", summary="keep users, who log in with a password"),
        "identities": Entry(target="signer.cli.people:identities", summary="say which identities are whose"),
        "ci-sessions": Entry(
            target="signer.cli.ci_sessions:ci_sessions", summary="list and revoke sessions of CI jobs"
        ),
        "devices": Entry(target="signer.cli.devices:devices", summary="decide which devices get tokens, by which keys"),
        "groups": Entry(target="signer.cli.people:groups", summary="keep groups that rules call"),
        "client-certificates": Entry(
            target="signer.cli.client_certificates:client_certificates",
            summary="look at client certificates, revoke them",
        ),
        "server-certificates": Entry(
            target="signer.cli.server_certificates:server_certificates",
            summary="replace certificates of TLS servers, with overlap",
        ),
        "approvals": Entry(
            target="signer.cli.approvals:approvals", summary="see what waits for approvals, approve it, reject it"
        ),
        "policy": Entry(target="signer.cli.policy.group:policy", summary="say who may sign what, and see it"),
        "keys": Entry(target="signer.cli.keys:keys", summary="create, list and look after signing keys"),
        "sign": Entry(target="signer.cli.sign:sign", summary="sign an artifact with a key of the service"),
        "events": Entry(target="signer.cli.events:events", summary="list what happened to keys"),
        "log": Entry(target="signer.cli.log:log", summary="look after the log of signatures, and watch it"),
        "backup": Entry(target="signer.cli.backup:backup", summary="copy an installation's records, while it runs"),
        "restore": Entry(target="signer.cli.backup:restore", summary="put a backup back"),
        "gateway": Entry(
            target="signer.cli.gateway:gateway", summary="write the configuration of a gateway for devices"
        ),
        "doctor": Entry(target="signer.cli.doctor:doctor", summary="say what is wrong with an installation, repair it"),
        "tokens": Entry(target="signer.cli.tokens:tokens", summary="list PKCS#11 modules, slots and tokens"),
    }
)


@click.group(cls=LazyGroup, entries=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="artifact-signer")
def cli() -> None:
    """Sign Mender Artifacts with keys that never leave an HSM."""


def run(arguments: list[str]) -> int:
    """Run one command; returns its exit code and never raises."""
    try:
        result = cli.main(arguments, prog_name="artifact-signer", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Nobody reads any more; without this Python complains once more at exit.
        sys.stdout = None
        return REFUSED
    except Exception as error:  # noqa: BLE001  (each is told in one sentence, none as a traceback)
        return explained(error)
    return result if isinstance(result, int) else 0


def explained(error: Exception) -> int:
    """Tell why a command failed; returns the exit code that says so."""
    from signer.cli.error_wording import worded
    from signer.errors import ConfigurationInvalid

    if isinstance(error, ConfigurationInvalid):
        for sentence in error.problems:
            complain(f"{error.path}: {sentence}")
        return USAGE
    told = worded(error)
    if told is not None:
        complain(told.sentence, hint=told.hint)
        return told.code
    from signer.logs import origin

    complain(f"failed in a way it does not know: {origin(error)}", hint="this is a defect, please report that line")
    return INTERNAL
