"""Listing a token: it takes as long as there are objects, each part is a sign of life, and nobody is ended for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from hsm import TokenKey
from hsm.errors import DeadlineExceeded
from hsm.parent.channel_pool import Lease
from hsm.parent.child import ChannelTimeout
from hsm.parent.client import TokenClient
from hsm.parent.supervisor import Supervisor
from hsm.protocol.messages import Op, ReplyMessage, Status
from hsm.protocol.values import pack_values
from hsm.worker.objects import PROGRESS
from tests.hsm.children import pid_of
from tests.hsm.conftest import OpenPool, make_key
from tests.hsm.shim import Shim
from tests.hsm.softhsm import PIN, SoftHsm

MANY = 300
MAKER = """
import os, sys
import pkcs11
from pkcs11.util.ec import encode_named_curve_parameters
module, serial, pin, count = sys.argv[1:]
token = pkcs11.lib(module).get_token(token_serial=serial.encode())
with token.open(rw=True, user_pin=pin) as session:
    curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    for number in range(int(count)):
        parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
        parameters.generate_keypair(id=b"%d" % number, label=f"pair {number}", store=True)
os._exit(0)
"""


def make_pairs(softhsm: SoftHsm, count: int) -> None:
    """So many pairs at once, past the code under test."""
    module = softhsm.config.environment.get("SHIM_MODULE", str(softhsm.config.module_path))
    command = [sys.executable, "-c", MAKER, module, softhsm.serial, PIN, str(count)]
    subprocess.run(command, env={**os.environ, **softhsm.config.environment}, check=True, timeout=120)


def test_three_hundred_pairs_are_listed(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    make_pairs(softhsm, MANY)
    pool = open_pool(softhsm.with_(sign_timeout=3.0))
    pid = pid_of(pool)
    found = pool.find_keys("demo")
    assert {key.label for key in found} == {f"pair {number}" for number in range(MANY)}
    assert len(found) == MANY
    assert all(key.has_private and key.has_public and key.spki for key in found)
    assert pid_of(pool) == pid


def test_the_searches_are_as_many_for_many_as_for_few(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    costs = []
    for count in (1, 20):
        make_pairs(shim.hsm, count)
        before = shim.searched()
        pool.find_keys("demo")
        costs.append(shim.searched() - before)
    assert costs == [2, 2]


def test_parts_are_sent_as_found_with_signs_of_life_before(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    make_pairs(softhsm, PROGRESS)
    (client,) = open_pool(softhsm.config).clients
    parts = []
    lease = client.channels.borrow(control=True, deadline=float("inf"))
    lease.channel.send(Op.FIND, pack_values(None, None))
    while (reply := lease.channel.receive(30)).status is Status.ITEM:
        parts.append(len(reply.body))
    client.channels.give_back(lease)
    assert [bool(size) for size in parts] == [False] * 2 + [True] * PROGRESS


def test_a_listing_that_is_interrupted_by_a_loss_names_each_pair_once(shim: Shim, open_pool: OpenPool) -> None:
    make_pairs(shim.hsm, 10)
    pool = open_pool(shim.hsm.config)
    shim.say("C_FindObjectsInit once 0x30")
    assert len(pool.find_keys("demo")) == 10


def test_a_listing_that_nobody_waits_for_ends_nobody(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    make_pairs(softhsm, MANY)
    pool = open_pool(softhsm.with_(sign_timeout=3.0))
    key, pid = make_key(pool), pid_of(pool)
    with pytest.raises(Exception, match="token-deadline-exceeded"):
        pool.find_keys("demo", timeout=0.01)
    found: tuple[TokenKey, ...] = pool.find_keys("demo")
    assert len(found) == MANY + 1
    assert pool.sign(key, b"")
    assert pid_of(pool) == pid


def test_a_listing_has_a_deadline_of_its_own(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config, timeout=0.0)
    assert pool.find_keys("demo") == ()
    # An answer that is there already is taken, so none may come.
    pid = pid_of(pool)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(DeadlineExceeded):
            pool.find_keys("demo", timeout=0.0)
    finally:
        os.kill(pid, signal.SIGCONT)


class SlowChannel:
    """Ten parts, and each takes two seconds of ``now``."""

    def __init__(self) -> None:
        self.now = 100.0
        self.left = 10

    def send(self, op: Op, body: bytes) -> None:
        """Nothing is asked of it."""

    def receive(self, timeout: float) -> ReplyMessage:
        """The next part, if it is waited for."""
        if timeout < 2.0:
            raise ChannelTimeout
        self.now += 2.0
        self.left -= 1
        return ReplyMessage(Status.ITEM if self.left else Status.DONE, 1, b"")


def lent(channel: Any) -> Lease:
    return Lease(SimpleNamespace(leave=lambda _: None, give_back=lambda _: None), None, channel, control=True)


def test_each_part_is_a_sign_of_life_to_who_waits(softhsm: SoftHsm) -> None:
    channel = SlowChannel()
    client = TokenClient(softhsm.with_(sign_timeout=3.0), clock=lambda: channel.now)
    pool = SimpleNamespace(borrow=lambda **_: lent(channel), give_back=lambda _: None)
    client._supervisor, client._pid = SimpleNamespace(channels=pool), os.getpid()
    client.items(Op.FIND, b"", TokenKey, deadline=1000.0)
    assert channel.left == 0


def test_each_part_is_a_sign_of_life_where_nobody_waits_any_more() -> None:
    channel, recovered = SlowChannel(), []
    supervisor: Any = SimpleNamespace(
        _clock=lambda: channel.now,
        _config=SimpleNamespace(sign_timeout=3.0),
        channels=SimpleNamespace(recover=recovered.append),
    )
    lease = lent(SimpleNamespace(receive=lambda _: channel.receive(2.0)))
    while not recovered:
        Supervisor._discard(supervisor, lease)
        assert recovered or lease.hung_at == channel.now + 3.0
    assert (recovered, channel.left) == ([lease], 0)
