"""What the examples of docs/api/routes.md need that a new installation does not have: files, ids, credentials.

Each preparation is for the route that it is named after, and runs just before its example.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable

import httpx
import jwt
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.artifacts import ArtifactBuilder
from tests.hsm.children import wait_until
from tests.integration.example_place import AUTH_SET, AUTHENTICATION, DEVAUTH, DEVICES, Place
from tests.signer.certificates.device_scene import request_of
from tests.support.certificates import self_signed
from tests.support.ci_tokens import github_claims, token
from tests.support.device_side import SomeDevice, id_data, new_key, pem_of, signed
from tests.support.user_site import EMAIL, PASSWORD, USERADM

APPROVAL, DIGEST = "3f0c9a1e5d7b42c68a90d1e2f3a4b5c6", "9b1d4a…"
USER, PERSONAL = "0b8aa6fb-11ab-4a3d-9d9e-5f7a6f1f7a11", "5b0f9f0e-9d0a-4f57-8a52-3f1d6a1b7c22"
NOBODY = """
[[rules]]
name = "nobody"
effect = "deny"
principals = ["api-token:nobody"]
actions = ["sign"]
keys = ["firmware"]
"""
GUARDED = """
version = 1
[[rules]]
name = "boss"
effect = "allow"
principals = ["api-token:admin"]
actions = ["administer", "read-log", "manage", "read", "manage-users", "manage-devices"]
keys = ["**"]
[[rules]]
name = "release"
effect = "allow"
principals = ["api-token:waiting"]
actions = ["sign"]
keys = ["firmware"]
approvals = [{ group = "qa", count = 1 }]
[[rules]]
name = "approvers"
effect = "allow"
principals = ["group:qa"]
actions = ["approve"]
keys = ["firmware"]
"""


def _release(place: Place) -> None:
    place.write("release.mender", ArtifactBuilder().build())


def _bad_release(place: Place) -> None:
    place.write("bad.mender", ArtifactBuilder(name="bad-release").build())
    content = (place.folder / "bad.mender").read_bytes()
    made = place.ask("POST", "/v1/keys/firmware/signatures", content=content, headers={"Accept": "application/json"})
    place.environment["BAD_MANIFEST_SHA256"] = made.json()["manifest_sha256"]


def _certified_recalls(place: Place) -> None:
    """A checkpoint covers what was recalled a moment ago."""

    def certified() -> bool:
        with place.installation.http() as http:
            return http.get("/v1/log/recalled").status_code == 200

    wait_until(certified)


def _ci_job(place: Place) -> None:
    place.environment["CI_TOKEN"] = token(github_claims(place.issuer.url, aud=place.installation.url))


def _auth_request(place: Place) -> None:
    device, _ = place.device()
    body = device.body()
    place.write("request.json", body)
    place.write("signature", device.sign(body))


def _key_change(place: Place) -> None:
    device, shown = place.device()
    following = new_key()
    body = device.change(following, ts=int(time.time()))
    place.write("change.json", body)
    place.write("signature", device.sign(body))
    place.write("next", signed(following, body))
    place.write("token", shown)


def _fleet(place: Place) -> SomeDevice:
    """A device whose key a CA in the token has certified; the CA is made where it is not there yet."""
    if "fleet" not in place.environment:
        made = place.ask(
            "POST", "/v1/keys", json={"name": "device-ca", "purpose": "device-ca", "algorithm": "ecdsa-p256"}
        )
        assert made.status_code == 201
        shown = place.ask("GET", "/v1/keys/device-ca/versions/1/certificate")
        place.write("fleet.pem", shown.text)
        place.process.send_signal(signal.SIGHUP)
        place.environment["fleet"] = "made"
    place.devices += 1
    device = SomeDevice(serial=f"SN-{place.devices}", key=new_key())
    asked = {"ca": "fleet", "csr": request_of(device.key).decode(), "identity": json.loads(id_data(device.serial))}
    place.write("wanted.json", json.dumps(asked))
    place.write("device.csr", request_of(device.key))
    place.write("device.pem", device.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return device


def _wanted(place: Place) -> None:
    """To be issued as soon as the workers have read the file of the CA."""
    _fleet(place)
    asked = (place.folder / "wanted.json").read_bytes()

    def issued() -> bool:
        with place.installation.http() as http:
            return http.post("/v1/device-certificates", content=asked).status_code == 201

    wait_until(issued)


def _certified(place: Place) -> None:
    _wanted(place)
    asked = (place.folder / "wanted.json").read_bytes()
    made = place.ask("POST", "/v1/device-certificates", content=asked).json()
    place.write("device.crt", made["certificate"])
    key = load_pem_private_key((place.folder / "device.pem").read_bytes(), None)
    device = SomeDevice(serial=f"SN-{place.devices}", key=key)  # type: ignore[arg-type]
    body = device.body()
    context = place.installation.tls()
    context.load_cert_chain(place.folder / "device.crt", place.folder / "device.pem")
    headers = {"Content-Type": "application/json", "X-MEN-Signature": device.sign(body)}
    with httpx.Client(base_url=place.installation.url, verify=context, headers=headers, timeout=30.0) as http:
        answer = http.post(f"{AUTHENTICATION}/auth_requests", content=body)
    assert answer.status_code == 200, answer.text
    place.environment["TOKEN"] = answer.text


def _preauthorised(place: Place) -> None:
    place.write("device.json", json.dumps({"identity_data": {"serial": "SN-new"}, "pubkey": pem_of(new_key())}))


def _accepted(place: Place) -> None:
    place.device()


def _pending(place: Place) -> None:
    place.device("pending")


def _next_key(place: Place) -> None:
    place.device()
    place.write("next-key.json", json.dumps({"pubkey": pem_of(new_key())}))


def _device_token(place: Place) -> None:
    _, shown = place.device()
    place.environment["JWT"] = shown
    place.real[AUTH_SET] = jwt.decode(shown, options={"verify_signature": False})["jti"]


def _chain(place: Place) -> None:
    made = place.ask("POST", "/v1/keys/firmware/versions/1/certificate", json={"subject": "CN=firmware"})
    place.write("chain.pem", made.text)


def _policy(place: Place) -> None:
    shown = place.ask("GET", "/v1/policy").json()
    place.write("policy.json", json.dumps({"text": shown["text"] + "\n# of a file\n", "reason": "a test"}))


def _preview(place: Place) -> None:
    shown = place.ask("GET", "/v1/policy").json()
    place.write("policy.json", json.dumps({"text": shown["text"] + NOBODY}))


def _imported(place: Place) -> None:
    self_signed(place.folder, "console")


def _next_server_certificate(place: Place) -> None:
    place.ask("POST", "/v1/server-certificates/server/create", json={"days": 400})


def _disabled(place: Place) -> None:
    place.ask("POST", "/v1/keys/firmware/versions/1/disable")


def _member(place: Place) -> None:
    place.ask("POST", "/v1/groups/release/add", json={"member": "person:ada"})


def _assigned(place: Place) -> None:
    """Ada, enabled again: she was disabled for an example."""
    place.ask("POST", "/v1/people/ada/enable", json={"reason": "back"})


def _user(place: Place) -> None:
    """The user with the password of the page, whatever became of it."""
    known = [each["email"] for each in place.ask("GET", "/v1/users").json()["users"]]
    if EMAIL in known:
        place.ask("POST", f"/v1/users/{EMAIL}/password", json={"password": PASSWORD})
        place.ask("POST", f"/v1/users/{EMAIL}/totp-reset", json={"reason": "a test"})
    else:
        place.ask("POST", "/v1/users", json={"email": EMAIL, "password": PASSWORD})


def _no_user(place: Place) -> None:
    _user(place)
    place.ask("POST", f"/v1/users/{EMAIL}/delete", json={})


def _as_user(place: Place) -> None:
    _user(place)
    place.shows(place.login())


def _other_user(place: Place) -> None:
    place.ask("POST", "/v1/users", json={"email": "gone@example.com", "password": PASSWORD})
    (found,) = (each for each in place.ask("GET", "/v1/users").json()["users"] if each["email"] == "gone@example.com")
    place.real[USER] = found["id"]


def _personal(place: Place) -> None:
    _user(place)
    session = place.login()
    new = {"name": "gone", "expires_in": 3600}
    made = place.ask("POST", f"{USERADM}/settings/tokens", session, json=new).text
    place.real[PERSONAL] = jwt.decode(made, options={"verify_signature": False})["jti"]
    place.shows(session)


def _enrolled(place: Place) -> None:
    _user(place)
    session = place.login()
    place.seed = place.ask("POST", f"{USERADM}/settings/2fa", session, json={"current_password": PASSWORD}).json()[
        "secret"
    ]
    place.real["123456"] = place.code()
    place.shows(session)


def _second_factor(place: Place) -> None:
    _enrolled(place)
    session = (place.folder / "authorization").read_text().split()[-1]
    place.ask("POST", f"{USERADM}/settings/2fa/confirm", session, json={"token2fa": place.code()})
    place.real["123456"] = place.code(ahead=1)


def _user_token(place: Place) -> None:
    _user(place)
    place.environment["JWT"] = place.login()


def _waiting(place: Place) -> None:
    """A signature that waits for the people of ``qa``, one of whom asks from now on."""
    if APPROVAL in place.real:
        place.shows(place.environment["APPROVER"])
        return
    place.ask("POST", "/v1/people", json={"name": "vera"})
    place.ask("POST", "/v1/groups", json={"name": "qa"})
    place.ask("POST", "/v1/groups/qa/add", json={"member": "person:vera"})
    vera = place.ask("POST", "/v1/api-tokens", json={"name": "vera", "person": "vera"}).json()["api_token"]
    waiting = place.ask("POST", "/v1/api-tokens", json={"name": "waiting"}).json()["api_token"]
    place.ask("POST", "/v1/policy", json={"text": GUARDED, "reason": "a test"})
    headers = {"Authorization": f"Bearer {waiting}"}
    with place.installation.http(headers=headers) as http:
        answer = http.post("/v1/keys/firmware/signatures", content=ArtifactBuilder(name="waiting").build())
    facts = answer.json()["facts"]
    place.real |= {APPROVAL: facts["approval"], DIGEST: facts["sha256"]}
    place.environment["APPROVER"] = vera
    place.shows(vera)


Preparation = Callable[[Place], None]
PREPARATIONS: dict[str, Preparation] = {
    "POST /v1/keys/{key}/signatures": _release,
    "POST /v1/keys/{key}/artifacts": _release,
    "POST /v1/log/recall": _bad_release,
    "GET /v1/log/recalled": _certified_recalls,
    f"POST {AUTHENTICATION}/auth_requests": _auth_request,
    f"PUT {AUTHENTICATION}/key": _key_change,
    "POST /api/devices/v1/certificates": _certified,
    "POST /v1/device-certificates": _wanted,
    "GET /v1/device-certificates/{ca}/crl": _wanted,
    f"POST {DEVICES}": _preauthorised,
    f"GET {DEVICES}/{{device}}": _accepted,
    f"DELETE {DEVICES}/{{device}}": _accepted,
    f"GET {DEVICES}/{{device}}/auth/{{auth_set}}/status": _accepted,
    f"PUT {DEVICES}/{{device}}/auth/{{auth_set}}/status": _pending,
    f"DELETE {DEVICES}/{{device}}/auth/{{auth_set}}": _accepted,
    f"POST {DEVICES}/{{device}}/auth/{{auth_set}}/replace": _next_key,
    f"DELETE {DEVAUTH}/tokens/{{jti}}": _device_token,
    "POST /v1/auth/ci": _ci_job,
    "PUT /v1/keys/{key}/versions/{n}/certificate": _chain,
    "POST /v1/keys/{key}/versions/{n}/destroy": _disabled,
    "POST /v1/server-certificates/{name}/import": _imported,
    "POST /v1/server-certificates/{name}/retire": _next_server_certificate,
    "POST /v1/policy/preview": _preview,
    "POST /v1/policy": _policy,
    "POST /v1/identities/assign": _assigned,
    "POST /v1/groups/{name}/remove": _member,
    "GET /v1/approvals/{approval}": _waiting,
    "POST /v1/approvals/{approval}/votes": _waiting,
    f"POST {USERADM}/auth/login": _user,
    f"POST {USERADM}/auth/logout": _as_user,
    f"POST {USERADM}/users": _no_user,
    f"GET {USERADM}/users/{{user}}": _as_user,
    f"PUT {USERADM}/users/{{user}}": _as_user,
    f"DELETE {USERADM}/users/{{user}}": _other_user,
    f"GET {USERADM}/settings/tokens": _as_user,
    f"POST {USERADM}/settings/tokens": _as_user,
    f"DELETE {USERADM}/settings/tokens/{{jti}}": _personal,
    f"POST {USERADM}/settings/2fa": _as_user,
    f"POST {USERADM}/settings/2fa/confirm": _enrolled,
    f"POST {USERADM}/settings/2fa/disable": _second_factor,
    "GET /api/internal/v1/devauth/tokens/verify": _device_token,
    "POST /api/internal/v1/devauth/tokens/verify": _device_token,
    "GET /api/internal/v1/useradm/auth/verify": _user_token,
    "POST /api/internal/v1/useradm/auth/verify": _user_token,
}
