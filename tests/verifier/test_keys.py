"""Keys: one form is accepted, everything else has its own error, and none of it counts as no keys."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from tests.artifacts import KeyKind, private_key, public_pem
from verifier import KeyAlgorithm, TrustStore, VerificationError, VerificationKey, errors, keys

P256 = private_key(KeyKind.P256)
RSA = private_key(KeyKind.RSA_3072)
P256_PEM, RSA_PEM = public_pem(P256), public_pem(RSA)
SPKI = PublicFormat.SubjectPublicKeyInfo


def spki(key: object) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, SPKI)  # type: ignore[attr-defined, no-any-return]


def pem(der: bytes, label: str = "PUBLIC KEY") -> bytes:
    import base64

    return f"-----BEGIN {label}-----\n".encode() + base64.encodebytes(der) + f"-----END {label}-----\n".encode()


@pytest.mark.parametrize(
    ("kind", "algorithm", "bits"),
    [
        (KeyKind.P256, KeyAlgorithm.ECDSA_P256, 256),
        (KeyKind.RSA_1024, KeyAlgorithm.RSA, 1024),
        (KeyKind.RSA_2048, KeyAlgorithm.RSA, 2048),
        (KeyKind.RSA_3072, KeyAlgorithm.RSA, 3072),
    ],
)
def test_a_key_of_a_supported_kind_is_read(kind: KeyKind, algorithm: KeyAlgorithm, bits: int) -> None:
    text = public_pem(private_key(kind))
    der = load_pem_public_key(text).public_bytes(Encoding.DER, SPKI)

    key = VerificationKey.from_pem(text, source="key.pem")

    assert (key.algorithm, key.bits, key.spki, key.source) == (algorithm, bits, der, "key.pem")
    assert key.fingerprint == hashlib.sha256(der).hexdigest()
    assert key == VerificationKey.from_spki(der)
    assert len({key, VerificationKey.from_spki(der)}) == 1


ACCEPTED_FORMS = {
    "text before and after the block": b"release key\n\n" + P256_PEM + b"\nend of file\n",
    "carriage returns": P256_PEM.replace(b"\n", b"\r\n"),
    "no newline at the end": P256_PEM.rstrip(),
    "one long line": pem(spki(P256))
    .replace(b"\n", b"")
    .replace(b"KEY-----M", b"KEY-----\nM")
    .replace(b"==-", b"==\n-"),
}


@pytest.mark.parametrize("sentence", ACCEPTED_FORMS)
def test_a_pem_form_is_read(sentence: str) -> None:
    assert VerificationKey.from_pem(ACCEPTED_FORMS[sentence]).spki == spki(P256)


def compressed_point() -> bytes:
    point = P256.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)  # type: ignore[union-attr, call-arg]
    return bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point


def off_the_curve() -> bytes:
    return spki(P256)[:-1] + bytes([spki(P256)[-1] ^ 1])


def rsa_spki(modulus: bytes, exponent: bytes) -> bytes:
    def element(tag: int, content: bytes) -> bytes:
        size = len(content)
        digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
        return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x80 + len(digits)]) + digits) + content

    numbers = element(0x30, element(2, modulus) + element(2, exponent))
    return element(0x30, bytes.fromhex("300d06092a864886f70d0101010500") + element(3, b"\0" + numbers))


N = b"\0" + b"\xc5" * 256
E = b"\1\0\1"

REFUSED: dict[str, tuple[bytes | Callable[[], bytes], str]] = {
    "nothing": (b"", "key-file-empty"),
    "white space": (b"\n\n  \n", "key-file-empty"),
    "some text": (b"not a key\n", "key-file-not-pem"),
    "DER": (spki(P256), "key-file-not-pem"),
    "no end line": (P256_PEM[:-30], "key-file-not-pem"),
    "an end line of another kind": (P256_PEM.replace(b"END PUBLIC", b"END PRIVATE"), "key-file-not-pem"),
    "a letter that is not base64": (P256_PEM.replace(b"M", b"*", 1), "key-file-not-pem"),
    "a padding that is short": (P256_PEM.replace(b"=", b"", 1), "key-file-not-pem"),
    "a header in the block": (P256_PEM.replace(b"KEY-----\n", b"KEY-----\nProc-Type: 4\n\n", 1), "key-file-not-pem"),
    "an empty block": (pem(b""), "key-file-not-pem"),
    "a private key": (
        lambda: P256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "key-not-public",
    ),
    "a PKCS#1 public key": (
        lambda: RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "key-not-public",
    ),
    "a certificate": (pem(spki(P256), "CERTIFICATE"), "key-not-public"),
    "a certificate before the key": (pem(spki(P256), "CERTIFICATE") + P256_PEM, "key-not-public"),
    "an SSH key": (
        lambda: pem(P256.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), "OPENSSH PRIVATE KEY"),
        "key-not-public",
    ),
    "two keys": (P256_PEM + RSA_PEM, "several-keys-in-file"),
    "the same key twice": (P256_PEM * 2, "several-keys-in-file"),
    "a key and a certificate": (P256_PEM + pem(b"x", "CERTIFICATE"), "several-keys-in-file"),
    "random bytes in the block": (pem(b"random"), "key-invalid"),
    "a byte after the key": (pem(spki(P256) + b"\0"), "key-invalid"),
    "a key cut short": (pem(spki(RSA)[:-1]), "key-invalid"),
    "a compressed point": (pem(compressed_point()), "key-point-compressed"),
    "a point that is not on the curve": (pem(off_the_curve()), "key-invalid"),
    "an RSA key without NULL": (pem(spki(RSA).replace(b"\x05\x00", b"", 1)), "key-invalid"),
    "a length in more bytes than needed": (pem(b"\x30\x81\x59" + spki(P256)[2:]), "key-invalid"),
    "an RSA modulus with a needless zero": (pem(rsa_spki(b"\0" + N, E)), "key-invalid"),
    "a negative RSA modulus": (pem(rsa_spki(N[1:], E)), "key-invalid"),
    "an RSA exponent of 1": (pem(rsa_spki(N, b"\1")), "key-invalid"),
    "an even RSA exponent": (pem(rsa_spki(N, b"\4")), "key-invalid"),
    "an RSA exponent of 32 bits": (pem(rsa_spki(N, b"\0\x80\0\0\1")), "key-unsupported"),
    "an RSA key of 1016 bits": (pem(rsa_spki(b"\0" + b"\xc5" * 127, E)), "key-unsupported"),
    "an RSA key of 16392 bits": (pem(rsa_spki(b"\0" + b"\xc5" * 2049, E)), "key-unsupported"),
    "P-384": (lambda: pem(spki(ec.generate_private_key(ec.SECP384R1()))), "key-unsupported"),
    "P-521": (lambda: pem(spki(ec.generate_private_key(ec.SECP521R1()))), "key-unsupported"),
    "secp256k1": (lambda: pem(spki(ec.generate_private_key(ec.SECP256K1()))), "key-unsupported"),
    "brainpool": (lambda: pem(spki(ec.generate_private_key(ec.BrainpoolP256R1()))), "key-unsupported"),
    "Ed25519": (lambda: pem(spki(ed25519.Ed25519PrivateKey.generate())), "key-unsupported"),
    "Ed448": (lambda: pem(spki(ed448.Ed448PrivateKey.generate())), "key-unsupported"),
    "X25519": (lambda: pem(spki(x25519.X25519PrivateKey.generate())), "key-unsupported"),
    "DSA": (lambda: pem(spki(dsa.generate_private_key(2048))), "key-unsupported"),
    "an unknown algorithm": (pem(bytes.fromhex("300b3005060300010203020000")), "key-unsupported"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_key_is_refused(sentence: str, tmp_path: Path) -> None:
    content, code = REFUSED[sentence]
    file = tmp_path / "key.pem"
    file.write_bytes(content() if callable(content) else content)

    with pytest.raises(errors.KeyLoadError) as refusal:
        TrustStore.load([file])

    assert refusal.value.code == code, str(refusal.value)
    assert refusal.value.facts["source"] == str(file)


def test_every_length_of_a_key_cut_short_is_refused() -> None:
    for der in (spki(P256), spki(RSA)):
        for length in range(len(der)):
            with pytest.raises(errors.KeyLoadError):
                VerificationKey.from_spki(der[:length])


def test_keys_with_one_bit_changed_raise_key_errors_or_are_other_keys() -> None:
    der = spki(P256)
    for place in range(len(der) * 8):
        changed = bytearray(der)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(errors.KeyLoadError):
            VerificationKey.from_spki(bytes(changed))


def test_what_is_loaded_is_what_the_library_loads() -> None:
    for bits in (1024, 1031, 2048):
        key = rsa.generate_private_key(public_exponent=3 if bits == 1031 else 65537, key_size=bits)
        loaded = VerificationKey.from_spki(spki(key))
        assert loaded.bits == bits
        assert loaded._key == key.public_key()


class TestTrustStore:
    def test_without_keys_there_is_no_store(self) -> None:
        for make in (lambda: TrustStore(()), TrustStore.from_pem, lambda: TrustStore.load([])):
            with pytest.raises(errors.NoKeys):
                make()

    def test_files_keep_the_order_of_the_arguments(self, tmp_path: Path) -> None:
        (tmp_path / "b.pem").write_bytes(P256_PEM)
        (tmp_path / "a.pem").write_bytes(RSA_PEM)
        store = TrustStore.load([tmp_path / "b.pem", str(tmp_path / "a.pem")])
        assert [key.source for key in store.keys] == [str(tmp_path / "b.pem"), str(tmp_path / "a.pem")]

    def test_a_directory_gives_its_files_by_name_without_dot_files(self, tmp_path: Path) -> None:
        (tmp_path / "b.pem").write_bytes(P256_PEM)
        (tmp_path / "a.pem").write_bytes(RSA_PEM)
        (tmp_path / ".hidden").write_bytes(b"not a key")
        store = TrustStore.load([tmp_path])
        assert [key.source for key in store.keys] == [str(tmp_path / "a.pem"), str(tmp_path / "b.pem")]

    def test_the_same_key_twice_is_one_key(self, tmp_path: Path) -> None:
        (tmp_path / "a.pem").write_bytes(P256_PEM)
        (tmp_path / "b.pem").write_bytes(b"again\n" + P256_PEM)
        assert [key.source for key in TrustStore.load([tmp_path]).keys] == [str(tmp_path / "a.pem")]

    def test_one_bad_file_spoils_the_directory(self, tmp_path: Path) -> None:
        (tmp_path / "a.pem").write_bytes(P256_PEM)
        (tmp_path / "b.pem").write_bytes(b"not a key")
        with pytest.raises(errors.KeyFileNotPem) as refusal:
            TrustStore.load([tmp_path])
        assert refusal.value.source == str(tmp_path / "b.pem")

    def test_a_missing_file_is_not_no_keys(self, tmp_path: Path) -> None:
        (tmp_path / "a.pem").write_bytes(P256_PEM)
        with pytest.raises(errors.KeyUnreadable) as refusal:
            TrustStore.load([tmp_path / "a.pem", tmp_path / "missing.pem"])
        assert refusal.value == errors.KeyUnreadable(
            source=str(tmp_path / "missing.pem"), reason="No such file or directory"
        )

    def test_an_empty_directory_is_not_no_keys(self, tmp_path: Path) -> None:
        (tmp_path / ".gitkeep").touch()
        with pytest.raises(errors.KeyDirectoryEmpty):
            TrustStore.load([tmp_path])

    def test_a_directory_in_a_directory_is_unreadable(self, tmp_path: Path) -> None:
        (tmp_path / "inner").mkdir()
        with pytest.raises(errors.KeyUnreadable):
            TrustStore.load([tmp_path])

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
    def test_a_file_without_permission_is_unreadable(self, tmp_path: Path) -> None:
        file = tmp_path / "key.pem"
        file.write_bytes(P256_PEM)
        file.chmod(stat.S_IWUSR)
        with pytest.raises(errors.KeyUnreadable):
            TrustStore.load([file])

    def test_a_pipe_that_nobody_writes_is_given_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keys, "LONGEST_SECONDS", 0.05)
        path = tmp_path / "key.pem"
        os.mkfifo(path)
        with pytest.raises(errors.KeyUnreadable) as refusal:
            TrustStore.load([path])
        assert refusal.value.reason == "nobody wrote it to its end in time"

    def test_a_pipe_that_is_never_ended_is_given_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keys, "LONGEST_SECONDS", 0.05)
        path = tmp_path / "key.pem"
        os.mkfifo(path)
        both_ends = os.open(path, os.O_RDWR)
        os.write(both_ends, P256_PEM)
        with pytest.raises(errors.KeyUnreadable):
            TrustStore.load([path])
        os.close(both_ends)

    def test_a_pipe_in_a_directory_is_not_waited_for(self, tmp_path: Path) -> None:
        (tmp_path / "a.pem").write_bytes(P256_PEM)
        os.mkfifo(tmp_path / "b.pem")
        with pytest.raises(errors.KeyUnreadable) as refusal:
            TrustStore.load([tmp_path])
        assert refusal.value.facts == {"source": str(tmp_path / "b.pem"), "reason": "it is not a regular file"}

    def test_what_another_command_writes_is_read(self) -> None:
        reading, writing = os.pipe()
        os.write(writing, P256_PEM)
        os.close(writing)
        assert TrustStore.load([f"/dev/fd/{reading}"]).keys[0].spki == spki(P256)
        os.close(reading)

    def test_a_huge_file_is_no_key(self, tmp_path: Path) -> None:
        file = tmp_path / "key.pem"
        file.write_bytes(P256_PEM + b"x" * 1024 * 1024)
        with pytest.raises(errors.KeyInvalid):
            TrustStore.load([file])

    def test_its_errors_are_verification_errors(self) -> None:
        assert issubclass(errors.KeyLoadError, VerificationError)
