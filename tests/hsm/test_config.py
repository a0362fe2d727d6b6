"""Settings of tokens and PIN sources: what cannot be meant is refused when it is built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hsm import PinSource, TokenConfig, TokenPool, TokenUri
from hsm.errors import ConfigurationError

URI = TokenUri(token="demo", module_path=Path("/usr/lib/module.so"))
FILE = PinSource(file=Path("/run/pin"))
CONFIG = TokenConfig(name="demo", uri=URI, pin=FILE)

REFUSED_PINS: dict[str, dict[str, Any]] = {
    "no source": {},
    "two sources": {"file": Path("/run/pin"), "env": "PIN"},
    "three sources": {"file": Path("/run/pin"), "env": "PIN", "fd": 5},
    "a relative file": {"file": Path("pin")},
    "a variable without a name": {"env": ""},
    "a variable with an equals sign": {"env": "A=B"},
    "a variable with a NUL": {"env": "A\0"},
    "standard input": {"fd": 0},
    "standard error": {"fd": 2},
    "a negative descriptor": {"fd": -1},
}

REFUSED_SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": ""}, "name"),
    "no module": ({"uri": TokenUri(token="demo")}, "uri"),
    "a relative module": ({"uri": TokenUri(token="demo", module_path=Path("m.so"))}, "uri"),
    "no PIN source anywhere": ({"pin": None}, "pin"),
    "a PIN source here and in the URI": ({"uri": replace(URI, pin_file=Path("/run/other"))}, "pin"),
    "no session": ({"sessions": 0}, "sessions"),
    "257 sessions": ({"sessions": 257}, "sessions"),
    "no time to sign": ({"sign_timeout": 0.0}, "sign_timeout"),
    "a negative time to start": ({"start_timeout": -1.0}, "start_timeout"),
    "more than an hour to sign": ({"sign_timeout": 3601.0}, "sign_timeout"),
    "a time that is no number": ({"sign_timeout": float("nan")}, "sign_timeout"),
    "a variable without a name": ({"environment": {"": "x"}}, "environment"),
    "a variable with a NUL": ({"environment": {"A": "x\0y"}}, "environment"),
    "a variable with an equals sign": ({"environment": {"A=B": "x"}}, "environment"),
}


@pytest.mark.parametrize("row", REFUSED_PINS)
def test_refused_pin_sources(row: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        PinSource(**REFUSED_PINS[row])
    assert refused.value.setting == "pin"


@pytest.mark.parametrize("row", REFUSED_SETTINGS)
def test_refused_settings(row: str) -> None:
    changes, setting = REFUSED_SETTINGS[row]
    with pytest.raises(ConfigurationError) as refused:
        replace(CONFIG, **changes)
    assert refused.value.setting == setting


@pytest.mark.parametrize(
    "source", [PinSource(file=Path("/run/secret-place")), PinSource(env="SECRET_PLACE"), PinSource(fd=77)]
)
def test_a_pin_source_shows_only_its_kind(source: PinSource) -> None:
    assert repr(source) == f"PinSource(kind={source.kind!r})"


def test_the_pin_source_of_the_uri_is_used() -> None:
    config = TokenConfig(name="demo", uri=replace(URI, pin_file=Path("/run/pin")))
    assert config.pin_source == FILE


def test_a_changed_environment_does_not_change_the_configuration() -> None:
    environment = {"SOFTHSM2_CONF": "/a"}
    config = replace(CONFIG, environment=environment)
    environment["SOFTHSM2_CONF"] = "/b"
    assert config.environment["SOFTHSM2_CONF"] == "/a"


def test_two_tokens_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError) as refused:
        TokenPool([CONFIG, CONFIG])
    assert refused.value.setting == "name"


def test_a_pool_without_tokens_is_refused() -> None:
    with pytest.raises(ConfigurationError) as refused:
        TokenPool([])
    assert refused.value.setting == "tokens"
