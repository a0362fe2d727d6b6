"""How refusals about certificates of servers are told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer.errors import server_certificates as errors
from signer.web.wording import Wording

SERVER_CERTIFICATE_WORDINGS: Mapping[type[Exception], Wording] = MappingProxyType(
    {
        errors.ServerCertificateNotFound: Wording(
            status=404,
            detail="the server {name} has no such certificate",
            hint="artifact-signer server-certificates list says what there is",
        ),
        errors.ServerCertificateWithoutNames: Wording(
            status=422,
            detail="a server's certificate needs alternative names (SAN), clients look at nothing else",
            hint="name its hosts: dns:updates.example.com, ip:192.0.2.1",
        ),
        errors.ServerCertificateRejected: Wording(status=422, detail="the certificate cannot be a server's: {reason}"),
        errors.ServerKeyPublished: Wording(
            status=422,
            detail="its key is a demonstration key, whose private half anybody can download from {source}",
            hint="make a key of your own: artifact-signer server-certificates create",
        ),
        errors.ServerCertificateOnRecord: Wording(
            status=409, detail="the server {name} has this certificate already, it is {state}"
        ),
        errors.NextServerCertificateExists: Wording(
            status=409,
            detail="the server {name} has a next certificate already",
            hint="switch to it, or take it back: artifact-signer server-certificates retire {name} {certificate}",
        ),
        errors.NoNextServerCertificate: Wording(
            status=409,
            detail="the server {name} has no next certificate",
            hint="artifact-signer server-certificates create {name}",
        ),
        errors.ServerBundleTooNew: Wording(
            status=409,
            detail="the bundle with the next certificate of {name} has not been out for {days} days: "
            "devices that lack it would refuse the service",
            hint="artifact-signer server-certificates bundle {name}, bring it to the devices, then wait; "
            "or --force, on record",
        ),
        errors.ServerCertificateNotInForce: Wording(
            status=409, detail="the next certificate of {name} is valid from {not_before} to {not_after}, not now"
        ),
        errors.ServerCertificateInUse: Wording(
            status=409,
            detail="the active certificate of {name} is shown in every handshake and stays in the bundle",
            hint="make a next one and switch to it, then retire this one",
        ),
        errors.ServerCertificatesChanged: Wording(
            status=409,
            detail="somebody else changed the certificates of {name} at the same time, nothing was done",
            hint="look, then try again",
        ),
        errors.ServerPrivateKeyMissing: Wording(
            status=409,
            detail="this machine has no private key for the next certificate of {name}",
            hint="copy the .key file from the machine that made it into the directory server_certificates.directory",
        ),
        errors.ServerPrivateKeyUnwritable: Wording(
            status=500,
            detail="the private key could not be written: {reason}",
            hint="give the service's user a directory to write, server_certificates.directory",
        ),
        errors.BundleRejected: Wording(status=400, detail="the bundle cannot be used: {reason}"),
        errors.BundleCutOff: Wording(
            status=400,
            detail="the bundle ends within a certificate, after {whole} whole ones",
            hint="the file is not whole: write it again, to a new name, and rename it",
        ),
    }
)
