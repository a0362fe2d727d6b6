"""Listing a token: it takes as long as there are objects, each part is a sign of life, and nobody is ended for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hsm import TokenKey
from hsm.protocol.messages import Op, Status
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
