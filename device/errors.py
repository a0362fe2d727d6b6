"""Every way in which a device's own side can refuse: a stable ``code`` and the facts as fields.

1. No fact is ever a private key, a token, or a signature.
2. ``later`` says whether the same may come out otherwise when it is tried again without any change.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar


@dataclass(eq=False, kw_only=True)
class DeviceError(Exception):
    """Base of all refusals of this package."""

    code: ClassVar[str] = "device-error"
    later: ClassVar[bool] = False

    @property
    def facts(self) -> dict[str, object]:
        """The fields that say something, by name."""
        return {item.name: value for item in fields(self) if (value := getattr(self, item.name)) not in ("", None)}

    def __str__(self) -> str:
        return " ".join([self.code, *(f"{name}={value!r}" for name, value in self.facts.items())])


# --- what is on the device -------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class SettingsInvalid(DeviceError):
    """The configuration cannot be read. ``problem``: what is wrong, for people."""

    code = "settings-invalid"
    problem: str


@dataclass(eq=False, kw_only=True)
class StateUnusable(DeviceError):
    """A file of the state directory cannot be read or written. ``reason``: what the operating system says."""

    code = "state-unusable"
    name: str
    reason: str


@dataclass(eq=False, kw_only=True)
class StateExposed(DeviceError):
    """Others than the owner may read or write what is there: it is no secret any more."""

    code = "state-exposed"
    name: str
    mode: str


@dataclass(eq=False, kw_only=True)
class StateInUse(DeviceError):
    """Another process works with the state directory, for longer than was to be waited."""

    code = "state-in-use"
    later = True


@dataclass(eq=False, kw_only=True)
class AlreadyThere(DeviceError):
    """A file that is never overwritten exists."""

    code = "already-there"
    name: str


@dataclass(eq=False, kw_only=True)
class KeyMissing(DeviceError):
    """The device has no key yet, or has lost it. ``name``: the file."""

    code = "key-missing"
    name: str


@dataclass(eq=False, kw_only=True)
class KeyUnreadable(DeviceError):
    """The file holds no private key that a device may have. ``problem``: what is wrong, for people."""

    code = "key-unreadable"
    name: str
    problem: str


@dataclass(eq=False, kw_only=True)
class ClockWrong(DeviceError):
    """The clock shows a time before this program was made: no certificate can be judged by it."""

    code = "clock-wrong"
    now: str
    earliest: str


# --- certificates ----------------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class BundleRefused(DeviceError):
    """The file of server certificates is not whole, and no good one was kept. ``problem``: for people."""

    code = "bundle-refused"
    problem: str


@dataclass(eq=False, kw_only=True)
class ServerNotTrusted(DeviceError):
    """The server's certificate does not follow from the bundle. ``reason``: as OpenSSL says it."""

    code = "server-not-trusted"
    host: str
    reason: str


@dataclass(eq=False, kw_only=True)
class ServerNotPinned(DeviceError):
    """The server's certificate is good, and none of those in the bundle. ``fingerprint``: of what it showed."""

    code = "server-not-pinned"
    host: str
    fingerprint: str


@dataclass(eq=False, kw_only=True)
class ClientCertificateRefused(DeviceError):
    """No certificate on the device can be shown with this key. ``problem``: for people."""

    code = "client-certificate-refused"
    fingerprint: str
    problem: str


# --- recalled manifests ----------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class RecalledListRefused(DeviceError):
    """A list of recalled manifests cannot be believed; the one that is kept stays. ``problem``: for people."""

    code = "recalled-list-refused"
    problem: str


@dataclass(eq=False, kw_only=True)
class RecalledListOlder(DeviceError):
    """The list is older than the one that is kept."""

    code = "recalled-list-older"
    version: int
    kept: int


@dataclass(eq=False, kw_only=True)
class RecalledListMissing(DeviceError):
    """The device was never given a list."""

    code = "recalled-list-missing"


@dataclass(eq=False, kw_only=True)
class ManifestRecalled(DeviceError):
    """The list of ``version`` names the manifest: it must not be installed."""

    code = "manifest-recalled"
    manifest_sha256: str
    version: int


# --- the service -----------------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class ServiceUnreachable(DeviceError):
    """No connection, or none that lasted. ``reason``: what the operating system or OpenSSL says."""

    code = "service-unreachable"
    later = True
    host: str
    reason: str


@dataclass(eq=False, kw_only=True)
class DeadlineExceeded(DeviceError):
    """All of it took longer than it was given."""

    code = "deadline-exceeded"
    later = True
    host: str


@dataclass(eq=False, kw_only=True)
class AnswerInvalid(DeviceError):
    """What came is no answer to what was asked. ``problem``: for people."""

    code = "answer-invalid"
    problem: str


@dataclass(eq=False, kw_only=True)
class ServiceBusy(DeviceError):
    """The service wants to be asked later. ``retry_after``: seconds, as it says; None: it does not."""

    code = "service-busy"
    later = True
    status: int
    retry_after: float | None = None


@dataclass(eq=False, kw_only=True)
class NotAccepted(DeviceError):
    """The device gets no token: nobody has accepted its key, somebody rejected it, or its clock is off.

    ``clock_ahead``: seconds by which the device's clock is ahead of the service's; None: about the same, or unknown.
    """

    code = "not-accepted"
    fingerprint: str
    clock_ahead: int | None = None


@dataclass(eq=False, kw_only=True)
class RequestRefused(DeviceError):
    """The service refuses the request. ``problem``: its code for that, where it says one."""

    code = "request-refused"
    status: int
    problem: str = ""


@dataclass(eq=False, kw_only=True)
class TokenRefused(DeviceError):
    """A token that was got a moment ago is refused."""

    code = "token-refused"


@dataclass(eq=False, kw_only=True)
class RotationRefused(DeviceError):
    """The service will not have the next key, which is given up; the present one stays in force."""

    code = "rotation-refused"
    fingerprint: str
    problem: str


@dataclass(eq=False, kw_only=True)
class RotationUnconfirmed(DeviceError):
    """The next key is announced and got no token yet; the present one stays in force until it does."""

    code = "rotation-unconfirmed"
    later = True
    fingerprint: str
