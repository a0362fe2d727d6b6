"""The texts that Traefik's configuration is put together from."""

from __future__ import annotations

HEAD = """\
# Traefik (version 3) before a Mender server and artifact-signer: https for devices and people, whose tokens
# artifact-signer checks. Written by "artifact-signer gateway config --traefik": the dynamic configuration, for the file
# provider. The static configuration names it, and where to listen:
#
#   [entryPoints.artifact-signer]
#   address = "{listen}"
#   [entryPoints.artifact-signer.transport.respondingTimeouts]
#   readTimeout = "2h"
#   idleTimeout = "75s"
#   [providers.file]
#   filename = "/etc/traefik/artifact-signer.toml"
#
# Give it no entry point without TLS, and forwardedHeaders.insecure to none. Paths that no router names are 404, those
# for gateways alone among them.
#
# Traefik knows no Unix sockets. Something has to pass on from {relay} to the socket by which the service knows its
# gateway, for example systemd-socket-proxyd or
#
#   socat TCP-LISTEN:PORT,bind=ADDRESS,reuseaddr,fork UNIX-CONNECT:{socket}
#
# Whoever reaches that address is a gateway to the service, and may say where a request comes from: run it and Traefik
# in a network namespace (a container, a pod) that nothing else is in.
"""

HEADERS = """\
# Of what only a gateway may say, nothing comes from a client.
[http.middlewares.artifact-signer-headers.headers]
stsSeconds = 31536000
[http.middlewares.artifact-signer-headers.headers.customRequestHeaders]
"""

LIMITS = """\
# What a request may cost, in bytes.
[http.middlewares.artifact-signer-small.buffering]
maxRequestBodyBytes = {small}
[http.middlewares.artifact-signer-device-body.buffering]
maxRequestBodyBytes = {device}

# How often one address may ask for a token, and try a password. Where many devices share an address, raise the first.
[http.middlewares.artifact-signer-token-rate.rateLimit]
average = 20
burst = 200
[http.middlewares.artifact-signer-login-rate.rateLimit]
average = 1
burst = 20
"""

TLS = """\
[[tls.certificates]]
certFile = {certificate}
keyFile = {key}
[tls.stores.default.defaultCertificate]
certFile = {certificate}
keyFile = {key}
[tls.options.default]
minVersion = "VersionTLS12"
"""

TLS_CLIENTS = """\
# Every client shows a certificate of these CAs: Traefik asks by name and not by path, so people need a name, and
# options, of their own.
[tls.options.default.clientAuth]
caFiles = [{file}]
clientAuthType = "RequireAndVerifyClientCert"
"""
