"""Files with private keys: the forms that fleets have are read, and what is not exactly one key is refused."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hsm import Algorithm
from signer.domain.private_keys import private_key_in
from signer.errors import SignerError
from signer.errors.key_files import KeyFileRejected, PassphraseMissing, PassphraseRejected
from tests.support.key_files import PASSPHRASE, key_material, pem, private_key, public_pem

P256, RSA, ED = Algorithm.ECDSA_P256, Algorithm.RSA_2048, Algorithm.ED25519
PKCS8, TRADITIONAL = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL
# openssl ecparam -genkey writes them before the key.
PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
EC = pem(private_key(P256), TRADITIONAL)

FORMS = {
    "PKCS#8, P-256": (pem(private_key(P256)), P256),
    "PKCS#8, RSA": (pem(private_key(RSA)), RSA),
    "PKCS#8, Ed25519": (pem(private_key(ED)), ED),
    "SEC1": (EC, P256),
    "SEC1 after the curve's parameters": (PARAMETERS + EC, P256),
    "PKCS#1": (pem(private_key(RSA), TRADITIONAL), RSA),
    "lines that end as on Windows": (EC.replace(b"\n", b"\r\n"), P256),
    "blank lines around": (b"\n\n" + EC + b"\n", P256),
}
ENCRYPTED = {
    "PKCS#8, P-256": (pem(private_key(P256), PKCS8, PASSPHRASE), P256),
    "PKCS#8, RSA": (pem(private_key(RSA), PKCS8, PASSPHRASE), RSA),
    "PKCS#1, as OpenSSL encrypted before PKCS#8": (pem(private_key(RSA), TRADITIONAL, PASSPHRASE), RSA),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_read_into_what_tokens_are_given(form: str) -> None:
    content, algorithm = FORMS[form]
    assert private_key_in(content, None) == key_material(algorithm)


@pytest.mark.parametrize("form", ENCRYPTED)
def test_an_encrypted_form_is_read_with_its_passphrase(form: str) -> None:
    content, algorithm = ENCRYPTED[form]
    assert private_key_in(content, PASSPHRASE) == key_material(algorithm)
    with pytest.raises(PassphraseRejected):
        private_key_in(content, b"another")
    with pytest.raises(PassphraseMissing):
        private_key_in(content, None)


def _der(change: Callable[[bytes], bytes]) -> bytes:
    """The PKCS#8 of a P-256 key, changed inside of its PEM."""
    changed = base64.encodebytes(change(key_material(P256).private))
    return b"-----BEGIN PRIVATE KEY-----\n" + changed + b"-----END PRIVATE KEY-----\n"


def _other_half() -> bytes:
    """The private half of one key with the public half of another, in one PKCS#8."""
    mine, other = (key_material(P256, number) for number in (0, 1))
    point, another = (each.spki[-64:] for each in (mine, other))
    assert mine.private.count(point) == 1
    return _der(lambda der: der.replace(point, another))


def _foreign(key: dsa.DSAPrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PKCS8, NoEncryption())


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """``content``: of the file. ``says``: part of the reason."""

    content: Callable[[], bytes]
    says: str
    passphrase: bytes | None = None


ONE = "not one private key in PEM"
REFUSED = {
    "nothing": Refused(content=lambda: b"", says=ONE),
    "no PEM": Refused(content=lambda: b"secret\n", says=ONE),
    "DER": Refused(content=lambda: key_material(P256).private, says=ONE),
    "a public key": Refused(content=lambda: public_pem(private_key(P256)), says=ONE),
    "two keys": Refused(content=lambda: EC + EC, says=ONE),
    "a key and its public key": Refused(content=lambda: EC + public_pem(private_key(P256)), says=ONE),
    "text before": Refused(content=lambda: b"my key\n" + EC, says=ONE),
    "text after": Refused(content=lambda: EC + b"x", says=ONE),
    "the end of another block": Refused(content=lambda: EC.replace(b"END EC", b"END RSA"), says=ONE),
    "half a file": Refused(content=lambda: EC[: len(EC) // 2], says=ONE),
    "parameters before another form": Refused(content=lambda: PARAMETERS + pem(private_key(P256)), says=ONE),
    "damaged base64": Refused(content=lambda: EC.replace(b"\n-----END", b"A\n-----END"), says="base64"),
    "content that is cut off": Refused(content=lambda: _der(lambda der: der[:-1]), says="cut off"),
    "an empty block": Refused(content=lambda: _der(lambda _: b""), says="cut off"),
    "another type of value": Refused(content=lambda: _der(lambda der: b"\x31" + der[1:]), says="cut off"),
    "a length without bytes": Refused(content=lambda: _der(lambda _: b"\x30\x84"), says="damaged"),
    "a byte after the content": Refused(content=lambda: _der(lambda der: der + b"\0"), says="more in it"),
    "content that is no key": Refused(content=lambda: _der(lambda _: b"\x30\x03\x02\x01\x01"), says="damaged"),
    "halves of two keys": Refused(content=_other_half, says="halves"),
    "RSA of 1024 bits": Refused(content=lambda: _foreign(rsa.generate_private_key(65537, 1024)), says="rsa-1024"),
    "P-521": Refused(content=lambda: _foreign(ec.generate_private_key(ec.SECP521R1())), says="EC P-521"),
    "P-384": Refused(content=lambda: _foreign(ec.generate_private_key(ec.SECP384R1())), says="EC P-384"),
    "DSA": Refused(content=lambda: _foreign(dsa.generate_private_key(1024)), says="kind"),
    "a passphrase for what is not encrypted": Refused(content=lambda: EC, says="not encrypted", passphrase=PASSPHRASE),
}


@pytest.mark.parametrize("row", REFUSED)
def test_what_is_not_exactly_one_key_that_can_sign_here_is_refused(row: str) -> None:
    refused = REFUSED[row]
    with pytest.raises(KeyFileRejected) as error:
        private_key_in(refused.content(), refused.passphrase)
    assert refused.says in error.value.reason


def test_no_refusal_tells_anything_of_key_or_passphrase() -> None:
    content = pem(private_key(P256), PKCS8, PASSPHRASE)
    with pytest.raises(SignerError) as refused:
        private_key_in(content, b"a wrong passphrase")
    told = repr(refused.value) + str(refused.value) + repr(key_material(P256))
    assert "a wrong passphrase" not in told
    assert content.decode().splitlines()[1] not in told
    assert repr(key_material(P256).private)[2:20] not in told
