"""What each command says when it is done: one document, told as JSON or as lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from cryptography import x509

from device.bootstrap import Device
from device.bundle import Bundle
from device.client import Bootstrapped
from device.errors import BundleRefused, ClientCertificateRefused
from device.recalled import RecalledList
from device.renewal import Renewed
from device.rotation import Rotated
from device.tokens import Token

Document = Mapping[str, object]


def of_bootstrap(done: Bootstrapped) -> Document:
    """The key, with its public half."""
    return {
        "fingerprint": done.fingerprint,
        "algorithm": done.algorithm,
        "made": done.made,
        "public_key": done.public_pem,
    }


def of_authentication(token: Token) -> Document:
    """When the new token ends; never the token."""
    return {"accepted": True, "expires_at": _moment(token.expires_at)}


def of_token(token: Token) -> Document:
    """The token itself: that is what was asked for."""
    return {"token": token.text, "expires_at": _moment(token.expires_at)}


def of_rotation(done: Rotated) -> Document:
    """The key that is in force now."""
    return {"fingerprint": done.fingerprint, "resumed": done.resumed}


def of_renewal(done: Renewed) -> Document:
    """Whether there is another certificate now, and when that ends."""
    end = done.not_after
    return {"renewed": end is not None, "not_after": None if end is None else end.isoformat(timespec="seconds")}


def of_recalled(kept: RecalledList) -> Document:
    """The list that is kept now."""
    return {"origin": kept.origin, "version": kept.version, "recalled": len(kept.manifests)}


def of_check(lists: tuple[RecalledList, ...]) -> Document:
    """That none of the lists names it."""
    return {"recalled": False, "lists": [of_recalled(each) for each in lists]}


def of_status(device: Device) -> Document:
    """Key, token and certificates."""
    status = device.client.status()
    return {
        "key": {
            "state": status.ring.value,
            "fingerprint": status.fingerprint,
            "algorithm": status.algorithm,
            "next_fingerprint": status.next_fingerprint,
        },
        "token": {"present": status.has_token, "expires_at": _moment(status.expires_at)},
        "server_certificates": _servers(device),
        "client_certificate": _shown(device, status.fingerprint),
        "recalled": None if device.recalled is None else [of_recalled(each) for each in device.recalled.kept()],
    }


def _servers(device: Device) -> Document:
    try:
        bundle = device.servers.current()
    except BundleRefused as never_good:
        return {"in_force": [], "refused": never_good.problem}
    refused = device.servers.refused
    return {"in_force": list(_certificates(bundle)), "refused": None if refused is None else refused.problem}


def _certificates(bundle: Bundle) -> list[Document]:
    read = [x509.load_der_x509_certificate(der) for der in bundle.certificates]
    return [
        {"fingerprint": fingerprint, "not_after": certificate.not_valid_after_utc.isoformat(timespec="seconds")}
        for fingerprint, certificate in zip(bundle.fingerprints, read, strict=True)
    ]


def _shown(device: Device, fingerprint: str | None) -> Document | None:
    if device.certificates is None or fingerprint is None:
        return None
    try:
        files = device.certificates.files_for(device.client.key())
    except ClientCertificateRefused as refused:
        return {"file": None, "refused": refused.problem}
    return {"file": str(files.certificate), "not_after": files.not_after.isoformat(timespec="seconds")}


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def lines(document: Document, before: str = "") -> list[str]:
    """One line for each fact, such as ``key.state: steady``."""
    said: list[str] = []
    for name, value in document.items():
        match value:
            case Mapping():
                said += lines(value, f"{before}{name}.")
            case list():
                for number, each in enumerate(value):
                    said += lines(each, f"{before}{name}.{number}.")
            case _:
                said.append(f"{before}{name}: {_plain(value)}")
    return said


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value).rstrip("\n")
