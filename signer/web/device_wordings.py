"""How refusals about devices are told. Some sentences are those of Mender's server, which people search for."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer import errors
from signer.web.wording import Wording

DEVICE_WORDINGS: Mapping[type[Exception], Wording] = MappingProxyType(
    {
        errors.AuthRequestInvalid: Wording(status=400, detail="invalid auth request: {problem}"),
        errors.DeviceIdentityInvalid: Wording(status=400, detail="invalid auth request: the identity {problem}"),
        errors.DeviceKeyInvalid: Wording(status=400, detail="invalid auth request: the public key {problem}"),
        errors.MediaTypeNotSupported: Wording(
            status=415, detail="the body is {media_type}, the route takes application/json"
        ),
        errors.DeviceRefused: Wording(status=401, detail="dev auth: unauthorized"),
        errors.DeviceNotFound: Wording(
            status=404, detail="there is no device {device}", hint="artifact-signer devices list shows all"
        ),
        errors.AuthSetNotFound: Wording(
            status=404,
            detail="device {device} has no authentication set {auth_set}",
            hint="artifact-signer devices show {device} lists them",
        ),
        errors.AuthSetOfAnotherDevice: Wording(
            status=400, detail="the authentication set {auth_set} does not belong to device {device}"
        ),
        errors.DeviceStepNotAllowed: Wording(
            status=400,
            detail="an authentication set that is {status} cannot become {wanted}",
            hint="pending, accepted and rejected ones become one of these; a preauthorised one waits for its device, "
            "or is dismissed",
        ),
        errors.DeviceLimitReached: Wording(
            status=422,
            detail="maximum number of accepted devices reached",
            hint="the setting devices.max_devices is the limit",
        ),
        errors.DeviceKnown: Wording(
            status=409,
            detail="the identity is that of device {device}, which is known",
            hint="artifact-signer devices replace {device} plans its next key; --force puts this key beside the others",
        ),
        errors.DeviceKeyTaken: Wording(
            status=409,
            detail="the next key of device {device} was one of its keys before",
            hint="make a new key; one that was used before, rejected or dismissed does not come back by a change",
        ),
        errors.DeviceKeysExhausted: Wording(
            status=409,
            detail="device {device} has {limit} keys, as many as it may",
            hint="dismiss the authentication sets that it does not need",
        ),
        errors.DeviceTokenNotFound: Wording(
            status=404, detail="no token of a device that still holds has the id {jti}"
        ),
    }
)
