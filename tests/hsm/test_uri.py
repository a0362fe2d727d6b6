"""Token URIs: what is taken, and what is refused by name."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm import TokenUri
from hsm.errors import ConfigurationError

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"

ACCEPTED = {
    "label and module": (
        f"pkcs11:token=demo?module-path={SOFTHSM}",
        TokenUri(token="demo", module_path=Path(SOFTHSM)),
    ),
    "every selector": (
        "pkcs11:token=a;serial=0b;manufacturer=c;model=d;slot-id=7",
        TokenUri(token="a", serial="0b", manufacturer="c", model="d", slot_id=7),
    ),
    "selectors in another order": ("pkcs11:serial=1;token=2", TokenUri(token="2", serial="1")),
    "a serial alone": ("pkcs11:serial=f163c1f2ad38b254", TokenUri(serial="f163c1f2ad38b254")),
    "percent-encoded label": ("pkcs11:token=My%20token%3B%20really", TokenUri(token="My token; really")),
    "label of several bytes per character": ("pkcs11:token=Schl%C3%BCssel", TokenUri(token="Schlüssel")),
    "a relative module stays relative": (
        "pkcs11:token=a?module-path=lib.so",
        TokenUri(token="a", module_path=Path("lib.so")),
    ),
    "a PIN file": ("pkcs11:token=a?pin-source=file:/run/pin", TokenUri(token="a", pin_file=Path("/run/pin"))),
    "a PIN file with an empty authority": (
        "pkcs11:token=a?pin-source=file:///run/pin&module-path=/m.so",
        TokenUri(token="a", pin_file=Path("/run/pin"), module_path=Path("/m.so")),
    ),
    "the largest slot": ("pkcs11:slot-id=18446744073709551615", TokenUri(slot_id=2**64 - 1)),
    "a label of 32 bytes": (f"pkcs11:token={'a' * 32}", TokenUri(token="a" * 32)),
}

REFUSED = {
    "another scheme": ("https://token=demo", "pkcs11:"),
    "an upper-case scheme": ("PKCS11:token=demo", "pkcs11:"),
    "nothing that selects": ("pkcs11:?module-path=/m.so", "one of token"),
    "only a manufacturer": ("pkcs11:manufacturer=SoftHSM", "one of token"),
    "a PIN in the URI": ("pkcs11:token=a?pin-value=1234", "pin-value"),
    "a PIN in the path": ("pkcs11:token=a;pin-value=1234", "pin-value"),
    "a PIN from a command": ("pkcs11:token=a?pin-source=|/bin/pin", "pin-source"),
    "a PIN from another scheme": ("pkcs11:token=a?pin-source=https://x/pin", "pin-source"),
    "a PIN file on another host": ("pkcs11:token=a?pin-source=file://host/pin", "host"),
    "a PIN file without a name": ("pkcs11:token=a?pin-source=file:", "names no file"),
    "a module that is a command": ("pkcs11:token=a?module-path=|rm", "command"),
    "a module by name": ("pkcs11:token=a?module-name=softhsm2", "module-name"),
    "a key": ("pkcs11:token=a;object=key", "object"),
    "an identifier of a key": ("pkcs11:token=a;id=%01", "'id'"),
    "an unknown query": ("pkcs11:token=a?x-vendor=1", "x-vendor"),
    "an attribute twice": ("pkcs11:token=a;token=b", "twice"),
    "a query twice": ("pkcs11:token=a?module-path=/a&module-path=/b", "twice"),
    "an empty attribute": ("pkcs11:token=", "token is empty"),
    "an attribute without a value": ("pkcs11:token", "token is empty"),
    "an empty part": ("pkcs11:token=a;;serial=1", "unknown attribute ''"),
    "a space": ("pkcs11:token=my token", "percent-encoded"),
    "a character outside ASCII": ("pkcs11:token=schlüssel", "percent-encoded"),
    "a cut percent-encoding": ("pkcs11:token=a%2", "percent-encoded"),
    "a percent-encoding of no digits": ("pkcs11:token=a%zz", "percent-encoded"),
    "bytes that are not UTF-8": ("pkcs11:token=%ff%fe", "UTF-8"),
    "a NUL": ("pkcs11:token=a%00b", "NUL"),
    "a fragment": ("pkcs11:token=a#b", "percent-encoded"),
    "a label of 33 bytes": (f"pkcs11:token={'a' * 33}", "32 bytes"),
    "a label of 17 characters and 34 bytes": (f"pkcs11:token={'%C3%BC' * 17}", "32 bytes"),
    "a serial of 17 bytes": (f"pkcs11:serial={'1' * 17}", "16 bytes"),
    "a slot that is no number": ("pkcs11:slot-id=one", "slot-id"),
    "a negative slot": ("pkcs11:slot-id=-1", "slot-id"),
    "a slot beyond 64 bits": ("pkcs11:slot-id=18446744073709551616", "slot-id"),
    "a slot in other digits": ("pkcs11:slot-id=%D9%A3", "slot-id"),
    "a URI of 4097 characters": ("pkcs11:token=" + "a" * 4084, "longer than 4096"),
}


@pytest.mark.parametrize("row", ACCEPTED)
def test_accepted(row: str) -> None:
    text, expected = ACCEPTED[row]
    assert TokenUri.parse(text) == expected


@pytest.mark.parametrize("row", REFUSED)
def test_refused(row: str) -> None:
    text, said = REFUSED[row]
    with pytest.raises(ConfigurationError) as refused:
        TokenUri.parse(text)
    assert refused.value.setting == "uri"
    assert said in refused.value.reason
    assert "1234" not in str(refused.value)


@given(st.text() | st.text().map("pkcs11:token=a;".__add__) | st.text().map("pkcs11:token=a?".__add__))
def test_nothing_else_is_raised(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        TokenUri.parse(text)
