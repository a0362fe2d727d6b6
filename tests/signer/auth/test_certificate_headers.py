"""What a proxy may tell of a client's certificate, and how."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from signer.auth.certificate_headers import FORMS, MAX_FIELD_BYTES, Fields, told_certificate
from signer.domain.client_choices import CertificateHeader
from signer.domain.credentials import CERTIFICATE_FIELDS
from signer.errors import (
    CertificateHeaderInvalid,
    CertificateHeaderUntrusted,
    CertificateHeaderUnverified,
    CredentialsRejected,
)
from tests.support.client_cas import new_ca

# One whose text has a plus sign, which not every one has.
CLIENT = next(made for made in (new_ca().issue() for _ in range(1000)) if b"+" in made.pem)
DER = CLIENT.der
B64 = base64.b64encode(DER).decode()
PEM = CLIENT.pem.decode()
RFC, NGINX, OFF = CertificateHeader.CLIENT_CERT, CertificateHeader.NGINX, CertificateHeader.OFF
CERT, VERIFY, CHAIN = "x-ssl-client-cert", "x-ssl-client-verify", "client-cert-chain"
ESCAPED = quote(PEM, safe="")


def verified(value: str, *, verify: str = "SUCCESS") -> Fields:
    return [(CERT, value), (VERIFY, verify)]


TOLD: dict[str, tuple[CertificateHeader, Fields, bytes | None]] = {
    "RFC 9440": (RFC, [("client-cert", f":{B64}:")], DER),
    "RFC 9440 with the chain": (RFC, [("client-cert", f":{B64}:"), (CHAIN, ":AAAA:")], DER),
    "the chain alone": (RFC, [(CHAIN, ":AAAA:")], None),
    "nginx": (NGINX, verified(ESCAPED), DER),
    "nginx, which leaves alone what needs no escape": (NGINX, verified(quote(PEM, safe="/+=")), DER),
    "nginx, without the last new line": (NGINX, verified(quote(PEM.rstrip("\n"), safe="")), DER),
    "nginx, which was shown none": (NGINX, [(VERIFY, "NONE")], None),
    "no field": (RFC, [], None),
    "no field, where none is expected": (OFF, [], None),
}


@pytest.mark.parametrize("sentence", TOLD)
def test_it_is_told(sentence: str) -> None:
    form, fields, der = TOLD[sentence]
    assert told_certificate(fields, form=form, vouched=True) == der


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    fields: Fields
    form: CertificateHeader = RFC
    vouched: bool = True
    refusal: type[CredentialsRejected] = CertificateHeaderInvalid


def rfc(*values: str) -> Fields:
    return [("client-cert", value) for value in values]


def nginx(fields: Fields, refusal: type[CredentialsRejected] = CertificateHeaderInvalid) -> Row:
    return Row(fields=fields, form=NGINX, refusal=refusal)


def elsewhere(fields: Fields, form: CertificateHeader) -> Row:
    return Row(fields=fields, form=form, vouched=False, refusal=CertificateHeaderUntrusted)


def other(fields: Fields, form: CertificateHeader) -> Row:
    return Row(fields=fields, form=form, refusal=CertificateHeaderUntrusted)


REFUSED = {
    "from elsewhere": elsewhere(rfc(f":{B64}:"), RFC),
    "from elsewhere, in the form of nginx": elsewhere(verified(ESCAPED), NGINX),
    "from elsewhere, that there is none": elsewhere([(VERIFY, "NONE")], NGINX),
    "from elsewhere, the chain alone": elsewhere([(CHAIN, ":AAAA:")], RFC),
    "from elsewhere, an empty one": elsewhere(rfc(""), RFC),
    "from elsewhere, where none is expected": elsewhere(rfc(f":{B64}:"), OFF),
    "where none is expected from anywhere": other(rfc(f":{B64}:"), OFF),
    "in the form of nginx where it is RFC 9440": other(verified(ESCAPED), RFC),
    "as in RFC 9440 where it is that of nginx": other(rfc(f":{B64}:"), NGINX),
    "both forms at once": other([*rfc(f":{B64}:"), *verified(ESCAPED)], NGINX),
    "twice": Row(fields=rfc(f":{B64}:", f":{B64}:")),
    "twice, joined by a comma": Row(fields=rfc(f":{B64}:, :{B64}:")),
    "without colons": Row(fields=rfc(B64)),
    "with a parameter": Row(fields=rfc(f":{B64}:;a=1")),
    "empty": Row(fields=rfc("")),
    "an empty sequence": Row(fields=rfc("::")),
    "not base64": Row(fields=rfc(":!!!!:")),
    "base64 that is cut off": Row(fields=rfc(f":{B64[:-1]}:")),
    "base64 with bits that mean nothing": Row(fields=rfc(":AB==:")),
    "base64 for URLs": Row(fields=rfc(":-_-_:")),
    "base64 with a space": Row(fields=rfc(f":{B64[:8]} {B64[8:]}:")),
    "too large": Row(fields=rfc(":" + "A" * MAX_FIELD_BYTES + ":")),
    "a PEM where bytes are expected": Row(fields=rfc(ESCAPED)),
    "nginx, which has not verified": nginx(verified(ESCAPED, verify="FAILED:self-signed"), CertificateHeaderUnverified),
    "nginx, which was shown one and says none": nginx(verified(ESCAPED, verify="NONE"), CertificateHeaderUnverified),
    "nginx, in small letters": nginx(verified(ESCAPED, verify="success"), CertificateHeaderUnverified),
    "nginx, which says nothing": nginx(verified(ESCAPED, verify=""), CertificateHeaderUnverified),
    "nginx, which says two things": nginx([*verified(ESCAPED), (VERIFY, "NONE")]),
    "nginx, which says two things in one": nginx(
        verified(ESCAPED, verify="SUCCESS,SUCCESS"), CertificateHeaderUnverified
    ),
    "nginx, without its verdict": nginx([(CERT, ESCAPED)]),
    "nginx, a verdict of nothing": nginx([(VERIFY, "SUCCESS")]),
    "nginx, two certificates in two fields": nginx([(CERT, ESCAPED), *verified(ESCAPED)]),
    "nginx, two certificates in one field": nginx(verified(ESCAPED + ESCAPED)),
    "nginx, as in a form, where a space was a plus sign": nginx(verified(quote(PEM.replace("+", " "), safe=""))),
    "nginx, its deprecated form with tabs": nginx(verified(PEM.replace("\n", "\n\t"))),
    "nginx, a private key": nginx(verified(quote(PEM.replace("CERTIFICATE", "PRIVATE KEY"), safe=""))),
    "nginx, text before it": nginx(verified("x" + ESCAPED)),
    "nginx, text after it": nginx(verified(ESCAPED + "x")),
    "nginx, escapes that are none": nginx(verified(ESCAPED.replace("%0A", "%0", 1))),
    "nginx, a NUL": nginx(verified(ESCAPED + "%00")),
    "nginx, not ASCII": nginx(verified(ESCAPED + "\xff")),
    "nginx, too large": nginx(verified("A" * (MAX_FIELD_BYTES + 1))),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_it_is_refused(sentence: str) -> None:
    row = REFUSED[sentence]
    with pytest.raises(row.refusal):
        told_certificate(row.fields, form=row.form, vouched=row.vouched)


def test_a_plus_sign_stays_one() -> None:
    """As it was sent; where it was meant as a space, nobody sent it."""
    assert "+" in quote(PEM, safe="+")
    assert told_certificate(verified(quote(PEM, safe="+")), form=NGINX, vouched=True) == DER


def test_every_field_has_one_form() -> None:
    assert sorted(name for form in FORMS.values() for name in form) == sorted(CERTIFICATE_FIELDS)
    assert all(title.lower() == name for name, title in CERTIFICATE_FIELDS.items())
