"""An error that nobody foresaw is one sentence, not a traceback."""

from __future__ import annotations

import click
import pytest

from signer.cli import main
from signer.cli.exit_codes import INTERNAL


def test_an_unforeseen_error_is_one_sentence_without_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError("a secret might be here")

    monkeypatch.setattr(main, "cli", broken)
    assert main.run([]) == INTERNAL
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("artifact-signer: failed in a way it does not know: ZeroDivisionError at ")
    assert "secret" not in err
    assert "Traceback" not in err
