"""Looking for tokens: what cannot be opened is named, and looking needs no login."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from hsm import TokenUri, inspect, list_slots
from hsm.errors import DeadlineExceeded, ModuleMissing, TokenAmbiguous, TokenBusy, TokenNotFound
from hsm.parent.lock_location import lock_group
from hsm.worker.token_lock import TokenLock
from tests.hsm.children import wait_until
from tests.hsm.conftest import OpenPool
from tests.hsm.shim import Shim
from tests.hsm.softhsm import SoftHsm, module_path
from tests.support.rows import slow_but

UNOPENABLE = {
    "a module that is not there": (TokenUri(token="demo", module_path=Path("/no/such/module.so")), ModuleMissing),
    "a module that is no library": (TokenUri(token="demo", module_path=Path("/etc/hostname")), ModuleMissing),
    "a library that is no module": (
        TokenUri(token="demo", module_path=Path("/lib/x86_64-linux-gnu/libc.so.6")),
        ModuleMissing,
    ),
    "a label that no token has": (TokenUri(token="nobody"), TokenNotFound),
    "a serial that no token has": (TokenUri(token="demo", serial="0000"), TokenNotFound),
    "a model that no token has": (TokenUri(token="demo", model="YubiHSM"), TokenNotFound),
    "a manufacturer that no token has": (TokenUri(token="demo", manufacturer="Yubico"), TokenNotFound),
    "a slot that holds another token": (TokenUri(token="demo", slot_id=1 << 40), TokenNotFound),
}


@pytest.mark.parametrize(
    "row",
    slow_but(
        {
            "a module that is not there",
            "a library that is no module",
            "a label that no token has",
            "a slot that holds another token",
        },
        UNOPENABLE,
    ),
)
def test_what_cannot_be_opened_is_named(softhsm: SoftHsm, open_pool: OpenPool, row: str) -> None:
    uri, expected = UNOPENABLE[row]
    if uri.module_path is None:
        uri = replace(uri, module_path=module_path())
    elif not uri.module_path.parent.is_dir() and row != "a module that is not there":
        pytest.skip(f"no {uri.module_path} here")
    config = softhsm.with_(uri=uri)
    pool = open_pool(config, ready=None)
    wait_until(lambda: pool.health()[0].last_error is not None)
    assert not pool.wait_ready(0)
    assert pool.health()[0].last_error == expected.code
    with pytest.raises(expected):
        inspect(config)


def test_a_token_is_found_by_all_that_it_says_of_itself(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    described = inspect(softhsm.config)
    uri = TokenUri(
        token=described.label,
        serial=described.serial,
        manufacturer=described.manufacturer,
        model=described.model,
        slot_id=described.slot_id,
        module_path=module_path(),
    )
    assert described.manufacturer
    open_pool(softhsm.with_(uri=uri))


def test_two_tokens_of_one_label_need_the_serial(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    softhsm.run("--init-token", "--free", "--label", "demo", "--pin", "1234", "--so-pin", "1234")
    config = softhsm.with_(uri=TokenUri(token="demo", module_path=softhsm.config.module_path))
    pool = open_pool(config, ready=None)
    wait_until(lambda: pool.health()[0].last_error is not None)
    assert not pool.wait_ready(0)
    assert pool.health()[0].last_error == TokenAmbiguous.code
    open_pool(softhsm.config)


def test_slots_are_listed_without_a_pin(softhsm: SoftHsm) -> None:
    softhsm.pin_file.unlink()
    config = softhsm.config
    found = list_slots(config.module_path, config.environment, directory=config.lock_directory)
    assert {token.label for token in found} == {"demo", ""}
    assert [token.serial for token in found if token.initialized] == [softhsm.serial]
    assert inspect(config).label == "demo"


def test_a_module_that_hangs_does_not_keep_who_looks(shim: Shim) -> None:
    shim.say("C_Initialize block")
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        list_slots(
            shim.hsm.config.module_path,
            shim.hsm.config.environment,
            timeout=0.7,
            directory=shim.hsm.config.lock_directory,
        )
    assert time.monotonic() - started < 5


def test_who_looks_is_told_of_a_lock_that_somebody_keeps(softhsm: SoftHsm) -> None:
    config = softhsm.config
    assert config.lock_directory is not None
    group = lock_group(config.module_path, config.environment)
    with (
        TokenLock(config.lock_directory, group=group, clock=time.monotonic).opening(0),
        pytest.raises(TokenBusy) as refused,
    ):
        inspect(config, timeout=4.0)
    assert refused.value.reason == "another process keeps the opening lock"


def test_a_description_comes_from_a_token_in_use_and_from_one_that_is_refused(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    in_use = pool.describe("demo")
    assert (in_use.label, in_use.serial) == ("demo", shim.hsm.serial)
    pool.close()
    shim.hsm.pin_file.write_text("wrong")
    refused = open_pool(shim.hsm.config, ready=False)
    assert refused.describe("demo") == replace(in_use, user_pin_count_low=True)
