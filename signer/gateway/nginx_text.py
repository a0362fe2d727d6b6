"""The texts that nginx's configuration is put together from, each a format string."""

from __future__ import annotations

HEAD = """\
# nginx before a Mender server and artifact-signer: https for devices and people, whose tokens artifact-signer checks.
# Written by "artifact-signer gateway config --nginx". Include it in the http block of nginx.conf:
#
#   http {{
#       include /etc/nginx/artifact-signer.conf;
#   }}
#
# nginx's workers have to be let into {socket}:
# put their user into the group of that file, which has to be let into the directory. Take nginx's own site on port 80
# away: nothing here listens without TLS, and a redirect from there would come after a token was sent in the clear.
"""

TLS_KEY = """\
#
# The key of the certificate lies in a token of the gateway's own: another store, another PIN and another system user
# than those of the service. nginx reaches it by the OpenSSL engine of libp11 (Debian: libengine-pkcs11-openssl), as the
# user that starts it. In the main part of nginx.conf, before http:
#
#   env OPENSSL_CONF;        # of nginx's environment (systemd: Environment=OPENSSL_CONF=/etc/nginx/openssl.cnf)
#   env SOFTHSM2_CONF;       # with SoftHSM only
#
# and in the file that OPENSSL_CONF names:
#
#   openssl_conf = openssl_init
#   [openssl_init]
#   engines = engines
#   [engines]
#   pkcs11 = pkcs11
#   [pkcs11]
#   engine_id = pkcs11
#   MODULE_PATH = /usr/lib/softhsm/libsofthsm2.so
#   init = 1
#
# The PIN is in the file that pin-source names. A certificate for a key in a token is made with
#   openssl req -new -x509 -engine pkcs11 -keyform engine -key 'pkcs11:...' -addext subjectAltName=DNS:HOST
"""

SHARED = """
# artifact-signer, by the socket that it knows its gateway by. It closes connections that idle for {idle:g} s.
upstream artifact_signer_service {{
    server "unix:{socket}";
    keepalive 16;
    keepalive_timeout {kept_seconds}s;
}}

# The Mender server.
upstream artifact_signer_backend {{
    server {upstream};
    keepalive 16;
    keepalive_timeout {kept_seconds}s;
}}

# How often one address may ask for a token, and try a password. Where many devices share an address, raise the first.
limit_req_zone $binary_remote_addr zone=artifact_signer_tokens:10m rate=20r/s;
limit_req_zone $binary_remote_addr zone=artifact_signer_logins:10m rate=1r/s;

# Paths that a program behind could read otherwise than nginx: encoded where the route is chosen, with "." or ".." or
# nothing between two slashes, with a dot, a slash, a backslash or an end in disguise.
map $request_uri $artifact_signer_odd_path {{
    default 0;
    "~^(/[^/?%]*){{1,3}}%" 1;
    "~^[^?]*(//|/[.][.]?(/|[?]|$)|\\x5c|#)" 1;
    "~*^[^?]*%(2e|2f|5c|00)" 1;
}}

# A connection is switched to web sockets, where there are any, and to nothing else: over h2c more requests would come,
# which nobody checks. Volatile, because the checks are requests of their own.
map "$uri $http_upgrade" $artifact_signer_upgrade {{
    volatile;
    default "";
    "~*^/api/(devices|management)/v[0-9]+/deviceconnect/.* websocket$" websocket;
}}
map $artifact_signer_upgrade $artifact_signer_connection {{
    volatile;
    default "";
    websocket upgrade;
}}
{certificates}"""

SERVER = """
server {{
    listen {listen} ssl;
    server_name _;
    server_tokens off;

    ssl_certificate "{certificate}";
    ssl_certificate_key "{key}";
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ssl_session_tickets off;
{client_ca}
    add_header Strict-Transport-Security "max-age=31536000" always;

    # What a request may cost.
    client_header_timeout 10s;
    client_body_timeout 30s;
    send_timeout 30s;
    keepalive_timeout 75s;
    large_client_header_buffers 4 16k;
    client_max_body_size 1m;
    limit_req_status 429;

    # To those behind: who asked, and nothing that a client says of itself and only a gateway may say. Inherited only by
    # locations without a proxy_set_header of their own, so there is none.
    proxy_http_version 1.1;
    proxy_connect_timeout 5s;
    proxy_read_timeout 75s;
    proxy_next_upstream error;
{fields}{upstream_tls}
    if ($artifact_signer_odd_path) {{
        return 400;
    }}

    # Nobody is answered but where a location says so.
    location / {{
        return 404;
    }}

    # For gateways: it is there over the service's own socket alone.
    location ^~ /api/internal/ {{
        return 404;
    }}

    # The Mender server: links that were signed, each for one file.
    location ~ ^/api/devices/v[0-9]+/deployments/download(/|$) {{
{certified}        proxy_pass {backend};
    }}
"""

CERTIFICATES = """
# The certificate that a device has shown, for artifact-signer alone: where it asks for a token, and beside its token.
# Volatile, because the checks are requests of their own, with a path of their own.
map $uri $artifact_signer_certificate {
    volatile;
    default "";
    "~^/api/devices/v1/(authentication/|certificates$)" $ssl_client_escaped_cert;
    "/_artifact_signer/device" $ssl_client_escaped_cert;
}
map $uri $artifact_signer_verified {
    volatile;
    default "";
    "~^/api/devices/v1/(authentication/|certificates$)" $ssl_client_verify;
    "/_artifact_signer/device" $ssl_client_verify;
}
"""

TLS_UPSTREAM = """\
    proxy_ssl_verify on;
    proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;
    proxy_ssl_server_name on;
    proxy_ssl_name {name};
    proxy_ssl_protocols TLSv1.2 TLSv1.3;
"""

OWN = """
    # artifact-signer: {what}.
    location {match} {{
{certified}{limit}        proxy_pass http://artifact_signer_service;
    }}
"""

GUARDED = """
    # The Mender server: {what}, whose tokens artifact-signer has checked.
    location {match} {{
{certified}        auth_request /_artifact_signer/{door};
        auth_request_set $artifact_signer_status $upstream_status;
        auth_request_set $artifact_signer_retry $upstream_http_retry_after;
        error_page 500 = @artifact_signer_unchecked;
        client_max_body_size {body};
        proxy_request_buffering off;
        proxy_read_timeout {seconds}s;
        proxy_send_timeout {seconds}s;
        proxy_pass {backend};
    }}
"""

DOOR = """
    location = /_artifact_signer/{door} {{
        internal;
        proxy_method GET;
        proxy_set_body "";
        proxy_read_timeout 10s;
        proxy_pass http://artifact_signer_service/api/internal/v1/{route};
    }}
"""

TAIL = """
    # A check that neither let through nor refused: what it answered. A 500 of the Mender server does not come by here.
    location @artifact_signer_unchecked {
        internal;
        add_header Strict-Transport-Security "max-age=31536000" always;
        add_header Retry-After $artifact_signer_retry always;
        if ($artifact_signer_status = 429) {
            return 429;
        }
        if ($artifact_signer_status = 503) {
            return 503;
        }
        return 500;
    }
}
"""
