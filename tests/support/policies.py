"""Policies put in force by tests, as a person on the machine does."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from signer.administration import administration
from signer.bootstrap import utc_now
from signer.config import load_settings
from signer.services.policy_administration import PolicyProposal
from signer.storage.database import Database


def apply_policy(config: Path, text: str) -> None:
    """Put it in force in the installation of this configuration."""
    with closing(Database(load_settings(config, {}).database)) as database:
        policies = administration(database, utc_now).policies
        policies.apply(PolicyProposal(text=text, reason="a test"), actor="tests")
