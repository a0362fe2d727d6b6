"""State scripts: their names, states, order and kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.artifacts.breaks import changed, moved
from tests.artifacts.builder import ArtifactBuilder, Script, Stage
from tests.artifacts.tarwriter import Field

from .case import Case, Go, accepted, lax, refused, signed
from .reasons import SCRIPT_FILE, SCRIPT_NAME


def script(name: str, **changes: Any) -> ArtifactBuilder:
    """The usual artifact with one state script."""
    return replace(signed(), scripts=(Script(name=name, **changes),))


CASES: tuple[Case, ...] = (
    accepted("there is a script", script("ArtifactInstall_Enter_00")),
    accepted("a script has a description", script("ArtifactInstall_Leave_05_stop-service")),
    accepted("a script is for errors", script("ArtifactInstall_Error_99")),
    accepted(
        "there is a script for each state",
        replace(
            signed(),
            scripts=tuple(
                Script(name=f"Artifact{state}_Enter_01")
                for state in ("Install", "Reboot", "Commit", "Rollback", "RollbackReboot", "Failure")
            ),
        ),
    ),
    accepted("a script is not executable", script("ArtifactReboot_Enter_00", mode=0o600), "script-not-executable"),
    accepted("a script is empty", script("ArtifactReboot_Enter_00", content=b"")),
    accepted("a script's name has 255 bytes", script("ArtifactInstall_Enter_00_" + "n" * 230)),
    lax(
        "a script's name has 256 bytes",
        script("ArtifactInstall_Enter_00_" + "n" * 231),
        "script-name-invalid",
        SCRIPT_FILE,
        go=Go.ONLY_TOOL_ACCEPTS,
    ),
    lax(
        "a script's name is not ASCII",
        script("ArtifactInstall_Enter_00_x").edited(
            Stage.HEADER_MEMBERS,
            changed("scripts/", fields={Field.NAME: b"scripts/ArtifactInstall_Enter_00_\xff"}),
        ),
        "tar-field-invalid",
        SCRIPT_NAME,
    ),
    lax("a script is for the state Idle", script("Idle_Enter_00"), "script-name-invalid", SCRIPT_NAME),
    lax("a script is for the state Download", script("Download_Enter_00"), "script-name-invalid", SCRIPT_NAME),
    lax("a script is for the state Sync", script("Sync_Enter_00"), "script-name-invalid", SCRIPT_NAME),
    lax(
        "a script is for an unknown state",
        script("ArtifactSing_Enter_00"),
        "script-name-invalid",
        SCRIPT_NAME,
    ),
    lax(
        "a script is for an unknown action",
        script("ArtifactInstall_Exit_00"),
        "script-name-invalid",
        SCRIPT_NAME,
    ),
    lax("a script has one digit", script("ArtifactInstall_Enter_0"), "script-name-invalid", SCRIPT_NAME),
    lax("a script has no digits", script("ArtifactInstall_Enter"), "script-name-invalid", SCRIPT_NAME),
    lax("a script is in lower case", script("artifactinstall_enter_00"), "script-name-invalid", SCRIPT_NAME),
    lax(
        "a script has a suffix without underscore",
        script("ArtifactInstall_Enter_00.sh"),
        "script-name-invalid",
        SCRIPT_NAME,
    ),
    refused("a script lies in a subdirectory", script("sub/ArtifactInstall_Enter_00"), "script-name-invalid"),
    refused("a script climbs out of its directory", script("../ArtifactInstall_Enter_00"), "script-name-invalid"),
    lax(
        "a script is there twice",
        replace(signed(), scripts=(Script(name="ArtifactInstall_Enter_00"),) * 2),
        "script-repeated",
        SCRIPT_FILE,
        go=Go.ONLY_TOOL_ACCEPTS,
    ),
    lax(
        "a script is a symbolic link",
        script("ArtifactInstall_Enter_00").edited(
            Stage.HEADER_MEMBERS, changed("scripts/", kind=b"2", link="/bin/sh", content=b"")
        ),
        "member-not-regular",
        SCRIPT_FILE,
        go=Go.ONLY_TOOL_ACCEPTS,
    ),
    refused(
        "a script comes after type-info",
        script("ArtifactInstall_Enter_00").edited(Stage.HEADER_MEMBERS, moved("scripts/", 2)),
        "header-member-unexpected",
    ),
    refused(
        "a script comes before header-info",
        script("ArtifactInstall_Enter_00").edited(Stage.HEADER_MEMBERS, moved("scripts/", 0)),
        "header-member-unexpected",
    ),
)
