"""What each refusal says to people, and what they can do about it."""

from __future__ import annotations

from collections.abc import Mapping

from device.errors import DeviceError

SENTENCES: Mapping[str, str] = {
    "settings-invalid": "{problem}",
    "state-unusable": "{name} in the state directory cannot be used: {reason}",
    "state-exposed": "{name} can be read or written by others than its owner (mode {mode})",
    "state-in-use": "another process works with the state directory",
    "already-there": "{name} is there already, and is never overwritten",
    "key-missing": "{name} is missing in the state directory",
    "key-unreadable": "{name} holds no key that can be used: {problem}",
    "clock-wrong": "the clock says {now}, which is before this program was made ({earliest})",
    "bundle-refused": "the file of server certificates is refused: {problem}",
    "server-not-trusted": "the certificate of {host} is not trusted: {reason}",
    "server-not-pinned": "the certificate of {host} is none of the pinned ones (SHA-256 {fingerprint})",
    "client-certificate-refused": "there is no certificate to show with the key {fingerprint:.16}: {problem}",
    "recalled-list-refused": "the list of recalled artifacts is refused: {problem}",
    "recalled-list-older": "the list of recalled artifacts is of version {version}, and {kept} was seen",
    "recalled-list-missing": "there is no list of recalled artifacts yet, so nothing may be installed",
    "manifest-recalled": "the artifact of manifest {manifest_sha256:.16} was recalled (version {version} of the list)",
    "service-unreachable": "{host} cannot be reached: {reason}",
    "deadline-exceeded": "{host} did not answer in time",
    "answer-invalid": "what came is no answer to what was asked: {problem}",
    "service-busy": "the service wants to be asked later (status {status})",
    "not-accepted": "the service does not accept the key {fingerprint:.16}",
    "request-refused": "the service refuses the request (status {status} {problem})",
    "token-refused": "the service refuses a token that it gave a moment ago",
    "rotation-refused": "the service will not have the next key ({problem}); the present one stays in force",
    "rotation-unconfirmed": "the next key {fingerprint:.16} got no token yet; the present one stays in force",
}
HINTS: Mapping[str, str] = {
    "state-exposed": "take the rights of others away (chmod go=); if others may have read a key, change it",
    "clock-wrong": "start after the time is set, such as after time-sync.target",
    "bundle-refused": "put the whole file in its place by a rename",
    "server-not-trusted": "look at the device's clock, and whether the file of server certificates is the newest",
    "recalled-list-missing": "run artifact-device take-recalled with the newest list",
    "manifest-recalled": "do not install it",
    "not-accepted": "somebody has to accept the device; where it was accepted, look at its clock",
    "rotation-unconfirmed": "run rotate-key again",
    "service-busy": "try again later",
}


def sentence(error: DeviceError) -> str:
    """Lower case, without a full stop."""
    facts = {"problem": "", **error.facts}
    return " ".join(SENTENCES[error.code].format_map(facts).split())


def hint(error: DeviceError) -> str | None:
    """What to do; None where the sentence says it."""
    ahead = error.facts.get("clock_ahead")
    if isinstance(ahead, int):
        return f"the device's clock is {abs(ahead)} seconds {'ahead of' if ahead > 0 else 'behind'} the service's"
    return HINTS.get(error.code)
