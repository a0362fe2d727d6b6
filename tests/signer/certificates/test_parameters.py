"""What a certificate may be asked to say: subjects, alternative names and dates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import pytest

from hsm.algorithms import Algorithm
from signer.domain.certificates import (
    MAX_ALTERNATIVE_NAMES,
    MAX_DAYS,
    WITHOUT_END,
    checked_names,
    checked_period,
    checked_subject,
)
from signer.domain.keys import Key, KeyVersion, Origin, Purpose, Validity, VersionState
from signer.errors import CertificateRejected, VersionExpired

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
SECOND = NOW.replace(microsecond=0)
DAY = timedelta(days=1)

SUBJECTS = {
    "none is the key's name": (None, "CN=firmware"),
    "one attribute": ("CN=x", "CN=x"),
    "several, the most specific first": ("CN=x,OU=y,O=z,L=l,ST=s,C=DE", "CN=x,OU=y,O=z,L=l,ST=s,C=DE"),
    "two in one": ("CN=x+UID=7,O=z", "CN=x+UID=7,O=z"),
    "letters of other languages": ("CN=Übermaß 東京", "CN=Übermaß 東京"),
    "an escaped comma": ("CN=x,O=Example\\, Inc.", "CN=x,O=Example\\, Inc."),
    "letters as escaped bytes": ("CN=\\C3\\A9", "CN=é"),
    "an e-mail address": ("E=a@example.com", "1.2.840.113549.1.9.1=a@example.com"),
    "a serial number": ("serialNumber=42,CN=x", "2.5.4.5=42,CN=x"),
    "the longest name": (f"CN={'x' * 64}", f"CN={'x' * 64}"),
}


@pytest.mark.parametrize("sentence", SUBJECTS)
def test_a_subject_is_accepted(sentence: str) -> None:
    text, expected = SUBJECTS[sentence]
    assert checked_subject(text, "firmware").rfc4514_string() == expected


REFUSED_SUBJECTS = {
    "empty": "",
    "no attribute": "firmware",
    "an empty value": "CN=",
    "only blanks": "O=\\ ",
    "an attribute without a name": "=x",
    "an attribute that nobody knows": "XX=1",
    "an attribute by number that is not usual": "1.2.3.4=x",
    "a semicolon between": "CN=x;O=y",
    "a comma at the end": "CN=x,",
    "a comma alone": ",",
    "an open escape": "CN=x\\",
    "an escape of nothing": "CN=\\zz",
    "a control character": "CN=a\x01b",
    "a zero byte": "CN=a\x00b",
    "an escaped zero byte": "CN=a\\00b",
    "an escaped line break": "CN=a\\0Ab",
    "an escaped terminal sequence": "CN=\\1B[2J",
    "letters that turn the reading direction": "CN=a\u202eb",
    "a lone surrogate": "CN=\ud800",
    "bytes that are no letters": "CN=\\C3",
    "a value as BER": "CN=#0c0161",
    "half a value as BER": "CN=#0",
    "a name that is too long": f"CN={'x' * 65}",
    "an organisation that is too long": f"O={'x' * 129}",
    "a country that is none": "C=DEU",
    "a country outside of ASCII": "C=é",
    "an e-mail address outside of ASCII": "E=é@example.com",
    "a serial number outside of ASCII": "serialNumber=é",
    "far too long": ",".join(["CN=xxxxxxxx"] * 100),
    "the same attribute twice in one": "CN=x+CN=x",
}


@pytest.mark.parametrize("sentence", REFUSED_SUBJECTS)
def test_a_subject_is_refused(sentence: str) -> None:
    with pytest.raises(CertificateRejected, match="subject"):
        checked_subject(REFUSED_SUBJECTS[sentence], "firmware")


NAMES = {
    "dns": ("dns:ota.example.com", "DNSName", "ota.example.com"),
    "a wildcard": ("dns:*.example.com", "DNSName", "*.example.com"),
    "an A-label": ("dns:xn--bcher-kva.example", "DNSName", "xn--bcher-kva.example"),
    "email": ("email:ota+sign@example.com", "RFC822Name", "ota+sign@example.com"),
    "IPv4": ("ip:192.0.2.1", "IPAddress", "192.0.2.1"),
    "IPv6": ("ip:2001:db8::1", "IPAddress", "2001:db8::1"),
    "uri": ("uri:urn:uuid:f81d4fae", "UniformResourceIdentifier", "urn:uuid:f81d4fae"),
}


@pytest.mark.parametrize("sentence", NAMES)
def test_an_alternative_name_is_accepted(sentence: str) -> None:
    text, kind, value = NAMES[sentence]
    names = checked_names((text, text))
    assert names is not None
    assert [(type(name).__name__, str(name.value)) for name in names] == [(kind, value)], "and each only once"


def test_without_names_there_is_no_extension() -> None:
    assert checked_names(()) is None


REFUSED_NAMES = {
    "no kind": "ota.example.com",
    "an unknown kind": "dirname:CN=x",
    "a kind in capitals": "DNS:example.com",
    "nothing": "",
    "only a kind": "dns:",
    "a blank in a host": "dns:a b.example",
    "letters outside of ASCII in a host": "dns:bücher.example",
    "a dot at the end": "dns:example.com.",
    "two dots": "dns:a..b",
    "a wildcard within": "dns:a.*.example",
    "a host that is too long": "dns:" + ".".join(["x" * 60] * 5),
    "a label that is too long": f"dns:{'x' * 64}.example",
    "a zero byte in a host": "dns:example.com\0.evil.example",
    "a line break after a host": "dns:example.com\n",
    "an address without a host": "email:ota@",
    "an address without a name": "email:@example.com",
    "an address with a display name": "email:OTA <ota@example.com>",
    "two addresses": "email:a@b,c@d",
    "a wildcard address": "email:a@*.example.com",
    "an address that is too long": f"email:a@{'.'.join(['x' * 50] * 5)}",
    "a network": "ip:192.0.2.0/24",
    "an IP address with leading zeros": "ip:192.0.2.01",
    "an IP address with a zone": "ip:fe80::1%eth0",
    "an IP address with a port": "ip:192.0.2.1:443",
    "a URI without a scheme": "uri:example.com/x",
    "a URI with a blank": "uri:https://example.com/a b",
    "a URI with a line break": "uri:https://example.com/\r\nx",
    "a URI outside of ASCII": "uri:https://example.com/ü",
    "a URI that is too long": "uri:https://example.com/" + "x" * 1024,
}


@pytest.mark.parametrize("sentence", REFUSED_NAMES)
def test_an_alternative_name_is_refused(sentence: str) -> None:
    with pytest.raises(CertificateRejected, match="alternative name"):
        checked_names(("dns:good.example", REFUSED_NAMES[sentence]))


def test_too_many_alternative_names_are_refused() -> None:
    names = tuple(f"dns:{number}.example" for number in range(MAX_ALTERNATIVE_NAMES + 1))
    assert checked_names(names[:-1])
    with pytest.raises(CertificateRejected, match="more than"):
        checked_names(names)


def key_valid(validity: Validity) -> Key:
    version = KeyVersion(
        id=1,
        number=1,
        state=VersionState.ACTIVE,
        origin=Origin.GENERATED,
        cka_id=b"1",
        spki=b"",
        fingerprint="",
        tokens=(),
        home=(),
        created_at=NOW,
        validity=validity,
        signature_count=0,
        last_signed_at=None,
        disabled_from=None,
    )
    return Key(
        id=1,
        name="firmware",
        purpose=Purpose.ARTIFACT,
        algorithm=Algorithm.ECDSA_P256,
        tokens=(),
        created_at=NOW,
        created_by="tester",
        versions=(version,),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A version's bounds, the days asked for, and the certificate's dates."""

    begin: datetime = SECOND
    end: datetime
    days: int | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None


PERIODS = {
    "without an end it is valid until 9999": Period(end=WITHOUT_END),
    "as long as the version": Period(not_after=NOW + 3 * DAY, end=SECOND + 3 * DAY),
    "so many days": Period(days=30, end=SECOND + 30 * DAY),
    "the most days": Period(days=MAX_DAYS, end=SECOND + MAX_DAYS * DAY),
    "exactly as long as the version": Period(days=3, not_after=NOW + 3 * DAY, end=SECOND + 3 * DAY),
    "not before the version signs": Period(days=2, not_before=NOW + DAY, begin=SECOND + DAY, end=SECOND + 3 * DAY),
    "a version that signs long since": Period(days=2, not_before=NOW - DAY, end=SECOND + 2 * DAY),
    "in UTC whatever the zone": Period(
        not_after=(NOW + DAY).astimezone(timezone(timedelta(hours=5))), end=SECOND + DAY
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", PERIODS)
def test_a_certificate_is_valid(sentence: str) -> None:
    row = PERIODS[sentence]
    key = key_valid(Validity(not_before=row.not_before, not_after=row.not_after))
    assert checked_period(key, key.version(1), row.days, now=NOW) == (row.begin, row.end)


REFUSED_DAYS = {
    "no day": (0, None),
    "a negative number of days": (-1, None),
    "one day too many": (MAX_DAYS + 1, None),
    "more days than a calendar has": (10**9, None),
    "more days than a machine counts": (10**40, None),
    "one day longer than the version signs": (4, NOW + 3 * DAY),
}


@pytest.mark.parametrize("sentence", REFUSED_DAYS)
def test_a_validity_is_refused(sentence: str) -> None:
    days, not_after = REFUSED_DAYS[sentence]
    key = key_valid(Validity(not_after=not_after))
    with pytest.raises(CertificateRejected, match="valid"):
        checked_period(key, key.version(1), days, now=NOW)


def test_a_validity_beyond_the_calendar_is_refused() -> None:
    key = key_valid(Validity(not_before=WITHOUT_END - timedelta(hours=1)))
    with pytest.raises(CertificateRejected, match="valid longer"):
        checked_period(key, key.version(1), 1, now=NOW)


def test_an_expired_version_has_no_period() -> None:
    key = key_valid(Validity(not_after=NOW - timedelta(microseconds=1)))
    with pytest.raises(VersionExpired):
        checked_period(key, key.version(1), 1, now=NOW)
