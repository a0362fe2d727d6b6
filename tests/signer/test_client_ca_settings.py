"""Whose client certificates are taken, and who may tell of them: what is refused of the settings that say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from signer.errors import ConfigurationInvalid
from tests.signer.test_config import TOKEN, Refused, load


def client_ca(**fields: str) -> str:
    lines = {"name": '"builds"', "file": '"builds.pem"', "use": '"identity"', "field": '"cn"'} | fields
    return "[[client_ca]]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items() if value)


TOLD = '[server]\ngateway_socket = "gateway.sock"\ncertificate_header = "nginx"\n'
PEERS = '[server]\ncertificate_header = "nginx"\ncertificate_header_peers = '
REFUSED = {
    "a client CA without a name": Refused(text=TOKEN + client_ca(name=""), says=("client_ca.0.name: ",)),
    "a client CA with a colon in its name": Refused(text=TOKEN + client_ca(name='"a:b"'), says=("client_ca.0.name: ",)),
    "a client CA without a file": Refused(text=TOKEN + client_ca(file=""), says=("client_ca.0.file: ",)),
    "a client CA that says not for what": Refused(text=TOKEN + client_ca(use=""), says=("client_ca.0.use: ",)),
    "a client CA for something else": Refused(text=TOKEN + client_ca(use='"server"'), says=("client_ca.0.use: ",)),
    "callers without a field": Refused(text=TOKEN + client_ca(field=""), says=("client_ca.0: needs field",)),
    "callers by a field that there is not": Refused(
        text=TOKEN + client_ca(field='"email"'), says=("client_ca.0.field: ",)
    ),
    "devices with a field and no attribute": Refused(
        text=TOKEN + client_ca(use='"device"'), says=("client_ca.0: has field and attribute, or neither",)
    ),
    "devices with an attribute and no field": Refused(
        text=TOKEN + client_ca(use='"device"', field="", attribute='"serial"'),
        says=("client_ca.0: has field and attribute, or neither",),
    ),
    "callers with an attribute": Refused(
        text=TOKEN + client_ca(attribute='"serial"'), says=("client_ca.0: needs field", "and has no attribute")
    ),
    "an attribute with a blank": Refused(
        text=TOKEN + client_ca(use='"device"', attribute='"a b"'), says=("client_ca.0.attribute: ",)
    ),
    "a key that issues for devices that are not named": Refused(
        text=TOKEN + client_ca(use='"device"', field="", key='"device-ca"'), says=("client_ca.0: has a key, and needs",)
    ),
    "a key that issues whole subjects": Refused(
        text=TOKEN + client_ca(use='"device"', field='"subject"', attribute='"serial"', key='"device-ca"'),
        says=("client_ca.0: has a key, and needs",),
    ),
    "a key that issues for callers": Refused(
        text=TOKEN + client_ca(key='"device-ca"'), says=("client_ca.0: has a key, and needs",)
    ),
    "certificates that are to be renewed before they are made": Refused(
        text=TOKEN + client_ca(use='"device"', attribute='"serial"', key='"device-ca"', certificate_days="30"),
        says=("client_ca.0: needs renewal_days no longer",),
    ),
    "certificates of devices without a CA of them": Refused(
        text=TOKEN + client_ca() + '[devices]\ncertificates = "required"\n',
        says=('devices.certificates = "required" needs a client_ca',),
    ),
    "an unknown setting of a client CA": Refused(text=TOKEN + client_ca(crl='"x"'), says=("client_ca.0.crl: ",)),
    "two client CAs of one name": Refused(
        text=TOKEN + client_ca() + client_ca(use='"device"', field=""), says=("two client CAs have the same name",)
    ),
    "a client CA where nobody can show a certificate": Refused(
        text=TOKEN + client_ca() + "[server]\ntls = 'off'", says=("client_ca takes effect only with",)
    ),
    "a header without a client CA": Refused(text=TOKEN + TOLD, says=("needs a client_ca",)),
    "a header in another form": Refused(
        text=TOKEN + client_ca() + "[server]\ncertificate_header = 'envoy'", says=("server.certificate_header: ",)
    ),
    "a header from nowhere": Refused(
        text=TOKEN + client_ca() + "[server]\ncertificate_header = 'client-cert'",
        says=("certificate_header needs gateway_socket or certificate_header_peers",),
    ),
    "who may tell, where nothing is told": Refused(
        text=TOKEN + client_ca() + "[server]\ncertificate_header_peers = ['192.0.2.1']",
        says=("certificate_header_peers needs certificate_header",),
    ),
    "a header from a name": Refused(
        text=TOKEN + client_ca() + PEERS + "['proxy.example']", says=("must list addresses or networks",)
    ),
    "a header from this machine": Refused(
        text=TOKEN + client_ca() + PEERS + "['192.0.2.1', '127.0.0.1']", says=("must not list loopback",)
    ),
    "a header from this machine, by IPv6": Refused(
        text=TOKEN + client_ca() + PEERS + "['::1']", says=("must not list loopback",)
    ),
    "a header from anywhere": Refused(
        text=TOKEN + client_ca() + PEERS + "['0.0.0.0/0']", says=("must not list loopback",)
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_it_is_refused(tmp_path: Path, sentence: str) -> None:
    row = REFUSED[sentence]
    with pytest.raises(ConfigurationInvalid) as refused:
        load(tmp_path, row.text, row.environment)
    told = "\n".join(refused.value.problems)
    assert all(words in told for words in row.says), told


def test_client_cas_are_found_beside_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, TOKEN + client_ca() + client_ca(name='"fleet"', use='"device"', field="") + TOLD)
    assert [table.file for table in settings.client_ca] == [tmp_path / "builds.pem"] * 2
    assert [table.field for table in settings.client_ca] == ["cn", None]


def test_a_header_from_a_proxy_on_another_machine(tmp_path: Path) -> None:
    text = TOKEN + client_ca() + PEERS + "['192.0.2.1', '2001:db8::/64']"
    networks = load(tmp_path, text).server.certificate_header_networks
    assert [str(network) for network in networks] == ["192.0.2.1/32", "2001:db8::/64"]
