"""The member `manifest.sig`: one line of standard base64 of a signature that devices can check."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace

from tests.artifacts.breaks import BytesEdit, after, append, constant, cut, flip
from tests.artifacts.builder import ArtifactBuilder, Edit, Stage
from tests.artifacts.keys import KeyKind, SignatureForm, private_key, sign, sign_until
from tests.artifacts.tarwriter import Member

from .case import Case, Go, accepted, lax, refused, signed
from .reasons import BASE64_BITS, BASE64_LINES, DER

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of the group of P-256."""
HALF = 32


def text(edit: Edit) -> ArtifactBuilder:
    """The usual artifact with the text of manifest.sig changed."""
    return signed().edited(Stage.SIGNATURE, edit)


def raw(edit: Edit, kind: KeyKind = KeyKind.P256) -> ArtifactBuilder:
    """The usual artifact with the signature changed before base64."""
    return signed(kind).edited(Stage.SIGNATURE_RAW, edit)


def formed(form: SignatureForm, kind: KeyKind = KeyKind.P256) -> ArtifactBuilder:
    """The usual artifact, signed in another form."""
    return replace(signed(kind), form=form)


def drawn(form: SignatureForm, wanted: Callable[[bytes], bool]) -> ArtifactBuilder:
    """The usual artifact with a signature drawn until it is as wanted."""
    unsigned = signed()

    def draw(_: bytes) -> bytes:
        return sign_until(private_key(KeyKind.P256), unsigned.manifest(), wanted, form)

    return raw(draw)


def right_signature() -> bytes:
    """The text of a manifest.sig that fits the usual artifact."""
    return base64.b64encode(sign(private_key(KeyKind.P256), signed().manifest()))


def der_of(length: int) -> ArtifactBuilder:
    """The usual artifact with an ASN.1 signature of that many bytes."""
    return drawn(SignatureForm.DER, lambda signature: len(signature) == length)


def other_s(signature: bytes) -> bytes:
    """The signature's twin (r, n - s), as valid as itself."""
    s = int.from_bytes(signature[HALF:], "big")
    return signature[:HALF] + (ORDER - s).to_bytes(HALF, "big")


def with_r(r: int) -> BytesEdit:
    """Replace r."""
    return lambda signature: r.to_bytes(HALF, "big") + signature[HALF:]


def _next_digit(digit: bytes) -> bytes:
    """The base64 digit after this one: other stray bits, the same bytes."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    position = alphabet.index(digit) + 1
    return alphabet[position : position + 1]


STANDARD = SignatureForm.STANDARD

KEYS = (
    accepted("signed with RSA-3072", signed(KeyKind.RSA_3072), trusted=KeyKind.RSA_3072),
    accepted("signed with RSA-2048", signed(KeyKind.RSA_2048), trusted=KeyKind.RSA_2048),
    accepted("signed with RSA-1024", signed(KeyKind.RSA_1024), "rsa-key-short", trusted=KeyKind.RSA_1024),
    refused("signed by another P-256 key", signed(KeyKind.OTHER_P256), "signature-invalid"),
    refused(
        "signed by another RSA key",
        signed(KeyKind.OTHER_RSA_3072),
        "signature-invalid",
        trusted=KeyKind.RSA_3072,
    ),
    refused("signed by an RSA key where P-256 is trusted", signed(KeyKind.RSA_3072), "signature-invalid"),
    refused("signed by a P-256 key where RSA is trusted", signed(), "signature-invalid", trusted=KeyKind.RSA_3072),
    refused("signed by P-384 where P-256 is trusted", signed(KeyKind.P384), "signature-invalid"),
    refused("signed by secp256k1 where P-256 is trusted", signed(KeyKind.SECP256K1), "signature-invalid"),
    refused("signed by Ed25519 where P-256 is trusted", signed(KeyKind.ED25519), "signature-invalid"),
)

FORMS = (
    accepted("r begins with a zero byte", drawn(STANDARD, lambda signature: signature[0] == 0)),
    accepted("s begins with a zero byte", drawn(STANDARD, lambda signature: signature[HALF] == 0)),
    accepted("s is in the upper half", drawn(STANDARD, lambda signature: signature[HALF] >= 0x80)),
    accepted("s is in the lower half", drawn(STANDARD, lambda signature: signature[HALF] < 0x7F)),
    accepted("s is replaced by its negative", raw(other_s)),
    accepted("the signature is ASN.1 of 72 bytes", der_of(72), "signature-der", go=Go.REFUSE, why=DER),
    accepted("the signature is ASN.1 of 71 bytes", der_of(71), "signature-der", go=Go.REFUSE, why=DER),
    accepted("the signature is ASN.1 of 70 bytes", der_of(70), "signature-der", go=Go.REFUSE, why=DER),
    refused("the signature is ASN.1 of 69 bytes", der_of(69), "der-signature-length-refused"),
    refused(
        "the ASN.1 signature has a byte after it",
        formed(SignatureForm.DER).edited(Stage.SIGNATURE_RAW, append(b"\0")),
        "signature-invalid",
    ),
    refused(
        "the ASN.1 length is in long form",
        formed(SignatureForm.DER).edited(Stage.SIGNATURE_RAW, lambda der: b"\x30\x81" + der[1:]),
        "signature-invalid",
    ),
    refused(
        "the signature is RSASSA-PSS",
        formed(SignatureForm.PSS, KeyKind.RSA_3072),
        "signature-invalid",
        trusted=KeyKind.RSA_3072,
    ),
    refused(
        "the RSA signature is over SHA-384",
        formed(SignatureForm.SHA384, KeyKind.RSA_3072),
        "signature-invalid",
        trusted=KeyKind.RSA_3072,
    ),
    refused(
        "the RSA signature is over SHA-512",
        formed(SignatureForm.SHA512, KeyKind.RSA_3072),
        "signature-invalid",
        trusted=KeyKind.RSA_3072,
    ),
    refused("the ECDSA signature is over SHA-384", formed(SignatureForm.SHA384), "signature-invalid"),
    refused("the ECDSA signature is over SHA-512", formed(SignatureForm.SHA512), "signature-invalid"),
    refused(
        "the signature is of another manifest",
        raw(lambda _: sign(private_key(KeyKind.P256), b"another")),
        "signature-invalid",
    ),
    refused(
        "the signature is of the manifest without its last newline",
        raw(lambda _: sign(private_key(KeyKind.P256), signed().manifest()[:-1])),
        "signature-invalid",
    ),
    refused(
        "r and s have changed places",
        raw(lambda signature: signature[HALF:] + signature[:HALF]),
        "signature-invalid",
    ),
    refused(
        "r and s are little-endian",
        raw(lambda signature: signature[HALF - 1 :: -1] + signature[: HALF - 1 : -1]),
        "signature-invalid",
    ),
    refused("r is zero", raw(with_r(0)), "signature-invalid"),
    refused("r is the group's order", raw(with_r(ORDER)), "signature-invalid"),
    refused("r and s are zero", raw(constant(bytes(64))), "signature-invalid"),
    refused("r and s are one", raw(constant((bytes(31) + b"\1") * 2)), "signature-invalid"),
    refused("the signature is a byte short", raw(cut(1)), "signature-invalid"),
    refused("the signature is a byte long", raw(append(b"\0")), "signature-invalid"),
    refused("the signature is r alone", raw(cut(HALF)), "signature-invalid"),
    refused(
        "the signature has 66-byte halves",
        raw(lambda signature: bytes(34) + signature[:HALF] + bytes(34) + signature[HALF:]),
        "signature-invalid",
    ),
    refused(
        "the RSA signature is a byte short",
        raw(cut(1), KeyKind.RSA_3072),
        "signature-invalid",
        trusted=KeyKind.RSA_3072,
    ),
    refused(
        "the RSA signature has a leading zero byte too many",
        raw(lambda signature: b"\0" + signature, KeyKind.RSA_3072),
        "signature-invalid",
        trusted=KeyKind.RSA_3072,
    ),
    refused(
        "the RSA signature is zero",
        raw(constant(bytes(384)), KeyKind.RSA_3072),
        "signature-invalid",
        trusted=KeyKind.RSA_3072,
    ),
)

TEXT = (
    lax("the base64 ends in a newline", text(append(b"\n")), "signature-encoding-invalid", BASE64_LINES),
    lax("the base64 ends in CR LF", text(append(b"\r\n")), "signature-encoding-invalid", BASE64_LINES),
    refused("the base64 ends in a blank", text(append(b" ")), "signature-encoding-invalid"),
    refused("the base64 ends in NUL", text(append(b"\0")), "signature-encoding-invalid"),
    refused("the base64 begins with a blank", text(lambda line: b" " + line), "signature-encoding-invalid"),
    lax(
        "the base64 is wrapped",
        text(lambda line: line[:44] + b"\n" + line[44:]),
        "signature-encoding-invalid",
        BASE64_LINES,
    ),
    refused("the base64 is not padded", text(lambda line: line.rstrip(b"=")), "signature-encoding-invalid"),
    refused("the base64 has a padding sign too many", text(append(b"=")), "signature-encoding-invalid"),
    refused("the base64 is padded before its end", text(lambda line: line + line), "signature-encoding-invalid"),
    lax(
        "the base64 has stray bits in its last digit",
        text(lambda line: line[:-3] + _next_digit(line[-3:-2]) + b"=="),
        "signature-encoding-invalid",
        BASE64_BITS,
    ),
    refused(
        "the base64 is URL-safe",
        drawn(STANDARD, lambda signature: b"+" in base64.b64encode(signature)).edited(
            Stage.SIGNATURE, lambda line: line.translate(bytes.maketrans(b"+/", b"-_"))
        ),
        "signature-encoding-invalid",
    ),
    refused("the signature is binary", text(base64.b64decode), "signature-encoding-invalid"),
    refused(
        "the signature is hexadecimal",
        text(lambda line: base64.b64decode(line).hex().encode()),
        "signature-invalid",
    ),
    refused("the signature is empty", text(constant(b"")), "signature-encoding-invalid"),
    refused("the signature is a newline", text(constant(b"\n")), "signature-encoding-invalid"),
    refused("the signature is not base64", text(constant(b"!" * 88)), "signature-encoding-invalid"),
    refused(
        "the signature is a PEM block",
        text(lambda line: b"-----BEGIN SIGNATURE-----\n" + line + b"\n-----END SIGNATURE-----\n"),
        "signature-encoding-invalid",
    ),
    refused("the signature is a mebibyte", text(constant(b"A" * (1 << 20))), "limit-exceeded"),
    refused(
        "two signatures stand in manifest.sig",
        text(lambda line: line + b"\n" + line),
        "signature-encoding-invalid",
    ),
    refused("there is no signature", replace(signed(), key=None), "unsigned"),
    refused(
        "a second manifest.sig has the right signature",
        raw(flip(0)).edited(
            Stage.MEMBERS,
            after("manifest.sig", Member(name="manifest.sig", content=right_signature())),
        ),
        "member-unexpected",
    ),
)


CASES: tuple[Case, ...] = (*KEYS, *FORMS, *TEXT)
