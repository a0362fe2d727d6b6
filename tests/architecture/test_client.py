"""The client's library knows what an answer is, and nothing of the service."""

from __future__ import annotations

from .sources import imports, inside

MAY_KNOW = ("signer.client", "signer.answers", "signer.addresses", "signer.client_credentials", "signer.__version__")


def test_the_library_imports_only_what_lies_below() -> None:
    mine = [item for item in imports("signer") if inside(item.module, "signer.client")]
    assert mine
    assert [str(item) for item in mine if item.within("signer", "hsm", "verifier") and not item.within(*MAY_KNOW)] == []
