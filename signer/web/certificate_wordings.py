"""How refusals because of a client's certificate are told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer import errors
from signer.errors import client_certificates, device_certificates
from signer.web.wording import Wording

CERTIFICATE_WORDINGS: Mapping[type[Exception], Wording] = MappingProxyType(
    {
        errors.ClientCaUnusable: Wording(
            status=500,
            detail="the client CA {name} cannot be used: {reason}",
            hint="its file holds PEM certificates of CAs, each of which issues clients' certificates itself",
        ),
        errors.ClientCaNotFound: Wording(
            status=404,
            detail="there is no client CA {ca}",
            hint="the [[client_ca]] tables of the configuration name them",
        ),
        errors.SerialNumberInvalid: Wording(
            status=400,
            detail="the serial number is not one",
            hint="write it in hex digits, with or without colons, as openssl x509 -serial does",
        ),
        errors.ClientCertificateRejected: Wording(
            status=401,
            detail="the client's certificate is not one by which anybody is known: {reason}",
            hint="artifact-signer client-certificates show FILE says what a certificate proves",
        ),
        errors.ClientCertificateIssuerUnknown: Wording(
            status=401,
            detail="no CA that the service knows has issued the client's certificate itself",
            hint="an operator has to configure the CA's certificate in a [[client_ca]] table",
        ),
        errors.ClientCertificateOfDevice: Wording(
            status=401, detail="a certificate of the CA {ca} is that of a device, which is no caller of this route"
        ),
        client_certificates.ClientCertificateOfCaller: Wording(
            status=401, detail="a certificate of the CA {ca} is that of a caller, which is no device"
        ),
        errors.ClientCertificateNotYetValid: Wording(
            status=401,
            detail="the client's certificate, or the CA that issued it, is valid from {not_before} on",
            hint="if that is over, look at the service's clock",
        ),
        errors.ClientCertificateExpired: Wording(
            status=401,
            detail="the client's certificate, or the CA that issued it, has expired at {not_after}",
            hint="have a new one issued",
        ),
        errors.ClientCertificateRevoked: Wording(
            status=401,
            detail="the client's certificate {serial} of the CA {ca} is revoked",
            hint="have a new one issued",
        ),
        device_certificates.DeviceCertificateRefused: Wording(
            status=401, detail="what the device comes with lets it do nothing here"
        ),
        device_certificates.DeviceCertificateMissing: Wording(
            status=401,
            detail="the device has to come with its certificate",
            hint="HttpsClient.Certificate and HttpsClient.Key of mender.conf name its certificate and key",
        ),
        device_certificates.DeviceCertificateKeyDiffers: Wording(
            status=401,
            detail="the key of the certificate is not the key of the request",
            hint="with HttpsClient.Certificate and HttpsClient.Key leave Security.AuthPrivateKey out of mender.conf",
        ),
        device_certificates.DeviceCertificateIdentityDiffers: Wording(
            status=401,
            detail="the {field} of the certificate is not the {attribute} of the device's identity",
        ),
        device_certificates.DeviceCertificateOfAnotherDevice: Wording(
            status=401, detail="the certificate is not that of the key for which the token was issued"
        ),
        device_certificates.DeviceCertificateOfAnotherCa: Wording(
            status=401, detail="the certificate is of the CA {ca}, and the token was issued for one of another CA"
        ),
        device_certificates.DeviceCertificateNotDue: Wording(
            status=409, detail="the certificate may be renewed from {renewable_from} on"
        ),
        device_certificates.DeviceCertificatesExhausted: Wording(
            status=409,
            detail="the device has {limit} certificates that hold, as many as it may",
            hint="revoke those that it does not need",
        ),
        device_certificates.CertificateRequestInvalid: Wording(
            status=400,
            detail="the certificate signing request {problem}",
            hint="openssl req -new -key device.pem -subj / makes one; of what it says the public key alone is taken",
        ),
        device_certificates.DeviceNameUnfit: Wording(
            status=422, detail="the member {attribute} of the identity, which names the device, {problem}"
        ),
        device_certificates.DeviceCaNotIssuing: Wording(
            status=409,
            detail="certificates of the CA {ca} are not issued here",
            hint="key in its [[client_ca]] table names the key that issues",
        ),
        device_certificates.DeviceCaInactive: Wording(
            status=409,
            detail="no version of the key {key} of the CA {ca} signs",
            hint="artifact-signer keys show {key}; enable a version, or prepare one and rotate",
        ),
        device_certificates.DeviceCaNotTrusted: Wording(
            status=409,
            detail="the file of the CA {ca} does not hold the certificate of version {version} of {key}",
            hint="artifact-signer keys certificate {key} --version {version} writes it; then send the service HUP",
        ),
        errors.CertificateHeaderUntrusted: Wording(
            status=400,
            detail="{header} came from where no certificate of a client may be told",
            hint="only a proxy on the gateway socket, or one that server.certificate_header_peers lists, may send it",
        ),
        errors.CertificateHeaderInvalid: Wording(
            status=400,
            detail="{header} is not what server.certificate_header says: {reason}",
            hint="look at what the proxy sends",
        ),
        errors.CertificateHeaderUnverified: Wording(
            status=401,
            detail="the proxy has not verified the client's certificate",
            hint="ssl_verify_client optional lets nginx verify; optional_no_ca does not",
        ),
    }
)
