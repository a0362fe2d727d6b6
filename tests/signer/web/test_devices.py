"""Routes of devices and of those who administer them, as Mender's clients ask them."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from signer.domain.identity import Role
from signer.domain.token_claims import DeviceSubject
from signer.web.families import MENDER_REQUEST_ID
from tests.docs.application import Application, application
from tests.support.asking import Reply
from tests.support.device_side import KINDS, SomeDevice, known_key, new_key, pem_of, signed
from tests.support.given_tokens import GivenTokens

ASKING = "/api/devices/v1/authentication/auth_requests"
KEY = "/api/devices/v1/authentication/key"
DEVAUTH = "/api/management/v2/devauth"
JSON = {"Content-Type": "application/json"}
_serials = itertools.count()


class Site:
    """The routes, asked by devices and by an administrator."""

    def __init__(self, made: Application, issuer: GivenTokens) -> None:
        self.made, self.issuer = made, issuer

    def ask(self, device: SomeDevice, body: bytes | None = None, **headers: str) -> Reply:
        """A request of the device, with other header fields where they are given; ``None``: without that one."""
        content = device.body() if body is None else body
        fields = {**JSON, "X-MEN-Signature": device.sign(content), "Authorization": "Bearer", **headers}
        return self.made.front_ask("POST", ASKING, {name: each for name, each in fields.items() if each}, content)

    def manage(self, method: str, path: str, document: Any = None, *, role: Role = Role.ADMINISTRATOR) -> Reply:
        """A request of somebody who administers devices."""
        body = b"" if document is None else json.dumps(document).encode()
        return self.made.ask(method, f"{DEVAUTH}{path}", self.made.credentials[role], body)

    def found(self, device: SomeDevice) -> dict[str, Any]:
        """The device in the list."""
        listed = self.manage("GET", "/devices?per_page=500").json()
        (found,) = (each for each in listed if each["identity_data"].get("serial") == device.serial)
        return dict(found)

    def places(self, device: SomeDevice) -> tuple[str, str]:
        """The paths of the device and of its first set."""
        found = self.found(device)
        return f"/devices/{found['id']}", f"/devices/{found['id']}/auth/{found['auth_sets'][0]['id']}"

    def decide(self, device: SomeDevice, status: str) -> Reply:
        """What is decided about its first key."""
        return self.manage("PUT", f"{self.places(device)[1]}/status", {"status": status})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    issuer = GivenTokens()
    made = application(tmp_path_factory.mktemp("devices"), issuer=issuer)
    yield Site(made, issuer)
    made.close()


@pytest.fixture
def device() -> SomeDevice:
    return SomeDevice(serial=f"web-{next(_serials)}", key=known_key("p-256"))


@pytest.fixture
def accepted(place: Site, device: SomeDevice) -> SomeDevice:
    place.ask(device)
    answer = place.decide(device, "accepted")
    assert (answer.status_code, answer.content_type) == (204, None)
    return device


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_is_pending_then_accepted_and_gets_the_token_alone(place: Site, kind: str) -> None:
    device = SomeDevice(serial=f"kind-{kind}", key=known_key(kind))
    refused = place.ask(device)
    assert (refused.status_code, refused.json()["error"]) == (401, "dev auth: unauthorized")
    assert place.decide(device, "accepted").status_code == 204
    answer = place.ask(device)
    assert (answer.status_code, answer.content_type, answer.data) == (200, "application/jwt", b"a.b.c")
    found = place.found(device)
    subject, actor, request_id = place.issuer.given[-1]
    assert subject == DeviceSubject(device_id=found["id"], auth_set_id=found["auth_sets"][0]["id"])
    assert (actor, request_id) == (f"device:{found['id']}", answer.headers[MENDER_REQUEST_ID.lower()])


NOISE = {
    "a word of the newer client": "API_KEY",
    "an API token that is none": "Bearer asx_0000000000000000_wrong",
    "a token of a tenant": "Bearer eyJhbGciOiJub25lIn0.e30.",
    "nothing": "",
}


@pytest.mark.parametrize("sentence", NOISE)
def test_what_stands_in_authorization_is_noise(place: Site, accepted: SomeDevice, sentence: str) -> None:
    assert place.ask(accepted, Authorization=NOISE[sentence]).status_code == 200


BAD: dict[str, tuple[dict[str, str], bytes | None, int, str]] = {
    "no content type": ({"Content-Type": ""}, None, 400, "auth-request-invalid"),
    "a content type that is none": ({"Content-Type": "json"}, None, 400, "auth-request-invalid"),
    "another content type": ({"Content-Type": "text/plain"}, None, 415, "media-type-not-supported"),
    "a form": ({"Content-Type": "application/x-www-form-urlencoded"}, None, 415, "media-type-not-supported"),
    "a coded body": ({"Content-Encoding": "gzip"}, None, 415, "encoding-not-supported"),
    "no body": ({}, b"", 400, "auth-request-invalid"),
    "no JSON": ({}, b"{", 400, "auth-request-invalid"),
    "too large": ({}, b" " * ((1 << 20) + 1), 413, "body-too-large"),
    "no signature": ({"X-MEN-Signature": ""}, None, 400, "auth-request-invalid"),
    "a signature that is none": ({"X-MEN-Signature": "AAAA"}, None, 401, "device-refused"),
    "a signature over another body": ({"X-MEN-Signature": SomeDevice().sign(b"x")}, None, 401, "device-refused"),
}


@pytest.mark.parametrize("sentence", BAD)
def test_a_request_that_is_none_is_refused(place: Site, accepted: SomeDevice, sentence: str) -> None:
    headers, body, status, code = BAD[sentence]
    answer = place.ask(accepted, body, **headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["error"] == answer.json()["detail"]


def test_parameters_of_the_content_type_are_left_alone(place: Site, accepted: SomeDevice) -> None:
    assert place.ask(accepted, **{"Content-Type": "Application/JSON; charset=utf-8"}).status_code == 200


def test_all_who_get_no_token_hear_the_same_and_the_log_says_why(
    place: Site, accepted: SomeDevice, caplog: pytest.LogCaptureFixture
) -> None:
    other = SomeDevice(serial=accepted.serial)
    stranger = SomeDevice(serial=f"web-{next(_serials)}")
    with caplog.at_level(logging.WARNING, logger="artifact-signer.request"):
        answers = [place.ask(other), place.ask(stranger), place.ask(accepted, **{"X-MEN-Signature": "AAAA"})]
        place.decide(accepted, "rejected")
        answers.append(place.ask(accepted))
    told = [{**answer.json(), "request_id": None} for answer in answers]
    assert told[1:] == told[:-1]
    assert all("facts" not in each and "reason" not in each for each in told)
    reasons = [record.reason for record in caplog.records if getattr(record, "code", None) == "device-refused"]
    assert reasons == ["key-differs", "pending", "signature", "rejected"]


def test_no_line_of_the_log_has_a_body_or_a_signature(
    place: Site, accepted: SomeDevice, caplog: pytest.LogCaptureFixture
) -> None:
    body = accepted.body()
    signature = accepted.sign(body)
    with caplog.at_level(logging.DEBUG):
        place.ask(accepted, body, **{"X-MEN-Signature": signature})
        place.ask(accepted, body, **{"X-MEN-Signature": signature[:-8] + "AAAAAAA="})
    everything = " ".join(str(vars(record)) for record in caplog.records)
    assert signature[:40] not in everything
    assert accepted.serial not in everything


def test_what_was_decided_meanwhile_holds(place: Site, accepted: SomeDevice) -> None:
    place.issuer.refuses = True
    refused = place.ask(accepted)
    place.issuer.refuses, place.issuer.limits = False, True
    limited = place.ask(accepted)
    place.issuer.limits = False
    assert (refused.status_code, refused.json()["code"]) == (401, "device-refused")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "42")


CHANGES: dict[str, tuple[dict[str, str], bytes | None, int]] = {
    "no body": ({}, b"", 400),
    "no time": ({}, b'{"id_data":"{}"}', 400),
    "no token": ({"Authorization": ""}, None, 401),
    "a token that is none": ({"Authorization": "Bearer a.b.c"}, None, 401),
    "an API token": ({"Authorization": "Bearer asx_0000000000000000_x"}, None, 401),
    "another scheme": ({"Authorization": "Basic eDp5"}, None, 401),
}


@pytest.mark.parametrize("sentence", CHANGES)
def test_a_key_is_not_changed(place: Site, accepted: SomeDevice, sentence: str) -> None:
    headers, body, status = CHANGES[sentence]
    following = new_key()
    content = accepted.change(following, ts=1) if body is None else body
    fields = {
        **JSON,
        "X-MEN-Signature": accepted.sign(content),
        "X-MEN-Next-Signature": signed(following, content),
        "Authorization": "Bearer a.b.c",
        **headers,
    }
    answer = place.made.front_ask("PUT", KEY, {name: each for name, each in fields.items() if each}, content)
    assert answer.status_code == status


class TestManagement:
    """The routes under ``/api/management/v2/devauth``."""

    def test_a_device_is_shown_as_mender_does(self, place: Site, accepted: SomeDevice) -> None:
        found = place.found(accepted)
        assert found == place.manage("GET", f"/devices/{found['id']}").json()
        assert found["identity_data"] == {"mac": "02:00:00:00:00:01", "serial": accepted.serial}
        assert (found["status"], found["decommissioning"]) == ("accepted", False)
        (auth_set,) = found["auth_sets"]
        assert (auth_set["pubkey"], auth_set["status"]) == (pem_of(accepted.key), "accepted")
        assert auth_set["identity_data"] == found["identity_data"]
        assert {"ts", "id", "fingerprint"} <= auth_set.keys()
        assert "reason" not in auth_set

    def test_the_list_says_which_part_differs(self, place: Site, accepted: SomeDevice) -> None:
        place.ask(SomeDevice(serial=accepted.serial))
        sets = place.found(accepted)["auth_sets"]
        assert [each.get("reason") for each in sets] == [None, "key-differs"]

    def test_pages_have_links(self, place: Site) -> None:
        for _ in range(3):
            place.ask(SomeDevice(serial=f"page-{next(_serials)}", key=known_key("ed25519")))
        path = f"{DEVAUTH}/devices"
        bare = place.made.ask(
            "GET", f"{path}?per_page=1&page=2&status=pending", place.made.credentials[Role.ADMINISTRATOR]
        )
        assert len(bare.json()) == 1
        assert bare.headers["link"] == f'<{path}?status=pending&page=3&per_page=1>; rel="next"'
        assert "x-total-count" not in bare.headers
        flask = place.made.app.test_client().get(
            f"{path}?per_page=1&page=2",
            headers={"Authorization": place.made.credentials[Role.ADMINISTRATOR]},
        )
        assert [each.partition("rel=")[2] for each in flask.headers.getlist("Link")] == ['"first"', '"prev"', '"next"']

    def test_search_and_count_find_what_the_list_finds(self, place: Site, accepted: SomeDevice) -> None:
        found = place.found(accepted)
        for body in (
            {"id": found["id"]},
            {"id": [found["id"]], "status": ["accepted", "pending"]},
            {"id": [found["id"], "x"], "status": "accepted", "more": 1},
        ):
            assert place.manage("POST", "/devices/search", body).json() == [found]
        assert place.manage("POST", "/devices/search", {"id": found["id"], "status": "pending"}).json() == []
        counted = [place.manage("GET", f"/devices/count{query}").json()["count"] for query in ("", "?status=accepted")]
        assert counted[0] >= counted[1] >= 1

    def test_a_device_is_preauthorised_and_accepted_when_it_asks(self, place: Site, device: SomeDevice) -> None:
        body = {"identity_data": {"serial": device.serial, "mac": "02:00:00:00:00:01"}, "pubkey": pem_of(device.key)}
        made = place.manage("POST", "/devices", body)
        found = place.found(device)
        assert (made.status_code, made.headers["location"], made.data) == (201, f"devices/{found['id']}", b"")
        assert made.content_type is None
        again = place.manage("POST", "/devices", body)
        assert again.status_code == 409
        assert found.items() <= again.json().items()
        assert again.json()["code"] == "device-known"
        assert place.ask(device).status_code == 200
        assert place.found(device)["status"] == "accepted"

    def test_force_names_the_device_that_exists(self, place: Site, accepted: SomeDevice) -> None:
        body = {
            "identity_data": {"mac": "02:00:00:00:00:01", "serial": accepted.serial},
            "pubkey": pem_of(new_key()),
            "force": True,
        }
        made = place.manage("POST", "/devices", body)
        assert (made.status_code, made.headers["location"]) == (201, f"devices/{place.found(accepted)['id']}")

    def test_the_next_key_is_planned_and_takes_its_place(self, place: Site, accepted: SomeDevice) -> None:
        following = SomeDevice(serial=accepted.serial)
        path = place.places(accepted)[1]
        made = place.manage("POST", f"{path}/replace", {"pubkey": pem_of(following.key), "expires_in": 3600})
        assert (made.status_code, made.json()["status"]) == (201, "preauthorized")
        assert made.json()["replaces"] == path.rpartition("/")[2]
        assert [place.ask(each).status_code for each in (accepted, following, accepted)] == [200, 200, 401]

    def test_what_is_taken_away_is_gone(self, place: Site, accepted: SomeDevice) -> None:
        path, auth_set = place.places(accepted)
        assert place.manage("GET", f"{auth_set}/status").json() == {"status": "accepted"}
        assert place.manage("DELETE", auth_set).status_code == 204
        assert place.found(accepted)["status"] == "noauth"
        assert place.manage("DELETE", path).status_code == 204
        assert [place.manage(method, path).status_code for method in ("GET", "DELETE")] == [404, 404]
        assert place.ask(accepted).status_code == 401

    def test_the_limit_is_told(self, place: Site) -> None:
        assert place.manage("GET", "/limits/max_devices").json() == {"limit": -1}

    def test_options_and_other_methods_are_answered_in_their_form(self, place: Site) -> None:
        options = place.made.front_ask("OPTIONS", f"{DEVAUTH}/devices", {})
        assert set(options.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
        wrong = place.manage("DELETE", "/devices")
        assert (wrong.status_code, "error" in wrong.json(), "allow" in wrong.headers) == (405, True, True)
        assert place.manage("GET", "/nowhere").json()["error"] == "there is no such route"


REFUSED: dict[str, tuple[str, str, Any, int, str]] = {
    "a status that is none": ("GET", "/devices?status=nothing", None, 400, "invalid-request"),
    "a count of a status that is none": ("GET", "/devices/count?status=Pending", None, 400, "invalid-request"),
    "a page before the first": ("GET", "/devices?page=0", None, 400, "invalid-request"),
    "a page that is no number": ("GET", "/devices?page=1.5", None, 400, "invalid-request"),
    "too many on a page": ("GET", "/devices?per_page=501", None, 400, "invalid-request"),
    "none on a page": ("GET", "/devices?per_page=0", None, 400, "invalid-request"),
    "a number of other digits": ("GET", "/devices?page=%D9%A3", None, 400, "invalid-request"),
    "a search for a number": ("POST", "/devices/search", {"id": 1}, 400, "invalid-request"),
    "a search for too many": ("POST", "/devices/search", {"id": ["x"] * 501}, 400, "invalid-request"),
    "a device that nobody knows": ("GET", "/devices/0", None, 404, "device-not-found"),
    "an id with a NUL": ("GET", "/devices/%00", None, 404, "device-not-found"),
    "a set that nobody knows": ("GET", "{device}/auth/0/status", None, 404, "auth-set-not-found"),
    "a decision about such a set": ("PUT", "{device}/auth/0/status", {"status": "accepted"}, 404, "auth-set-not-found"),
    "a set of another device": ("PUT", "{device}/auth/{other}/status", {"status": "accepted"}, 400,
                                "auth-set-of-another-device"),
    "a status that nobody decides": ("PUT", "{set}/status", {"status": "preauthorized"}, 400,
                                     "device-step-not-allowed"),
    "a status that is a number": ("PUT", "{set}/status", {"status": 1}, 400, "invalid-request"),
    "no status": ("PUT", "{set}/status", {}, 400, "invalid-request"),
    "an identity that is text": ("POST", "/devices", {"identity_data": "{}", "pubkey": "x"}, 400, "invalid-request"),
    "an identity without members": ("POST", "/devices", {"identity_data": {}, "pubkey": "x"}, 400,
                                    "device-identity-invalid"),
    "an identity with null": ("POST", "/devices", {"identity_data": {"a": None}, "pubkey": "x"}, 400,
                              "device-identity-invalid"),
    "a key that is none": ("POST", "/devices", {"identity_data": {"a": "1"}, "pubkey": "x"}, 400, "device-key-invalid"),
    "force that is text": ("POST", "/devices", {"identity_data": {"a": "1"}, "pubkey": "x", "force": "yes"}, 400,
                           "invalid-request"),
    "a next key awaited for no time": ("POST", "{set}/replace", {"pubkey": "x", "expires_in": 0}, 400,
                                       "invalid-request"),
    "a next key that is none": ("POST", "{set}/replace", {"pubkey": "x"}, 400, "device-key-invalid"),
    "a token that nobody issued": ("DELETE", "/tokens/0", None, 404, "device-token-not-found"),
}  # fmt: skip


@pytest.fixture(scope="module")
def paths(place: Site) -> dict[str, str]:
    """Of a device that is accepted, and the set of another one."""
    one, other = (SomeDevice(serial=f"paths-{each}", key=known_key("p-256")) for each in range(2))
    for each in (one, other):
        place.ask(each)
    place.decide(one, "accepted")
    device, auth_set = place.places(one)
    return {"device": device, "set": auth_set, "other": place.places(other)[1].rpartition("/")[2]}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_be_done_is_refused(place: Site, paths: dict[str, str], sentence: str) -> None:
    method, path, document, status, code = REFUSED[sentence]
    answer = place.manage(method, path.format(**paths), document)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_who_may_not_manage_devices_sees_and_does_nothing(place: Site, paths: dict[str, str], role: Role) -> None:
    for method, path in (("GET", "/devices"), ("PUT", f"{paths['set']}/status"), ("DELETE", paths["device"])):
        assert place.manage(method, path, {"status": "rejected"}, role=role).status_code == 403


def test_wrong_signatures_are_slowed_down_and_pending_devices_are_not(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = application(tmp_path_factory.mktemp("guessing"), issuer=GivenTokens())
    site = Site(made, GivenTokens())
    device = SomeDevice(key=known_key("p-256"))
    try:
        assert {site.ask(device).status_code for _ in range(70)} == {401}
        answers = [site.ask(device, **{"X-MEN-Signature": "AAAA"}).status_code for _ in range(70)]
    finally:
        made.close()
    assert answers[0] == 401
    assert answers[-1] == 429
