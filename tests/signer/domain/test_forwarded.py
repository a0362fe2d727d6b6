"""What a gateway says of the request that it asks about."""

from __future__ import annotations

import pytest

from signer.domain.forwarded import MAX_URI_CHARACTERS, ForwardedRequest
from signer.errors import ForwardedRequestInvalid

ADDONS = {
    "/api/devices/v1/deviceconfig/configuration": "configure",
    "/api/devices/v1/deviceconnect/connect?x=/a": "troubleshoot",
    "/api/devices/v1/deviceconnect": "troubleshoot",
    "/api/devices/v12/devicemonitor/alert": "monitor",
    "/api/devices/v1/inventory/device/attributes": None,
    "/api/devices/v1/deviceconnected/x": None,
    "/api/devices/v1/inventory/deviceconnect/x": None,
    "/api/management/v1/deviceconnect/devices/x/connect": None,
}
INVALID = {
    "no method": (None, "/api/devices/v1/x", "X-Forwarded-Method"),
    "an empty method": ("", "/api/devices/v1/x", "X-Forwarded-Method"),
    "a method in small letters": ("get", "/api/devices/v1/x", "X-Forwarded-Method"),
    "a method with a blank": ("GET /", "/api/devices/v1/x", "X-Forwarded-Method"),
    "a method with a new line": ("GET\n", "/api/devices/v1/x", "X-Forwarded-Method"),
    "a method without an end": ("G" * 21, "/api/devices/v1/x", "X-Forwarded-Method"),
    "no URI": ("GET", None, "X-Forwarded-Uri"),
    "an empty URI": ("GET", "", "X-Forwarded-Uri"),
    "a URI of another form": ("GET", "https://host/api/devices", "X-Forwarded-Uri"),
    "two slashes": ("GET", "/api/devices", "X-Forwarded-Uri"),
    "a blank": ("GET", "/api/devices/v1/a b", "X-Forwarded-Uri"),
    "a control character": ("GET", "/api/devices/v1/a\x00", "X-Forwarded-Uri"),
    "a character beyond ASCII": ("GET", "/api/devices/v1/ä", "X-Forwarded-Uri"),
    "a URI without an end": ("GET", "/api/devices/v1/" + "a" * MAX_URI_CHARACTERS, "X-Forwarded-Uri"),
}


@pytest.mark.parametrize("uri", ADDONS)
def test_an_addon_is_told_by_the_service(uri: str) -> None:
    assert ForwardedRequest.parse(method="GET", uri=uri).addon == ADDONS[uri]


@pytest.mark.parametrize("sentence", INVALID)
def test_it_is_no_request(sentence: str) -> None:
    method, uri, header = INVALID[sentence]
    with pytest.raises(ForwardedRequestInvalid) as refused:
        ForwardedRequest.parse(method=method, uri=uri)
    assert refused.value.header == header
