"""docs/operations/configuration.md against the settings: names, defaults, ranges and environment variables."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
from annotated_types import Ge, Gt, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from signer.ci_settings import CiIdentitySettings, CiIssuerSettings
from signer.cli.local import config_option
from signer.client.settings import DEFAULT_RETRY_SECONDS, DEFAULT_TIMEOUT_SECONDS, RETRY_VARIABLE, VARIABLES
from signer.client_ca_settings import ClientCaSettings
from signer.config import CLIENT_VARIABLES, ENVIRONMENT_PREFIX, PinSettings, Settings, TokenSettings
from signer.log_settings import WitnessSettings
from signer.settings_section import Section, holds_tables
from tests.docs.pages import quoted, section, sections

PAGE = "operations/configuration.md"
TOKENS = "`[[tokens]]`"
PIN = "`pin`"
WITNESSES = "`[[log.witnesses]]`"
CI_ISSUERS, CI_IDENTITIES = "`[[ci_issuer]]`", "`[[ci_identity]]`"
CLIENT_CA = "`[[client_ca]]`"
WITHOUT_VARIABLES = {TOKENS, PIN, WITNESSES, CI_ISSUERS, CI_IDENTITIES, CLIENT_CA}


def _models() -> dict[str, type[BaseModel]]:
    """Each section of the page by its heading."""
    found: dict[str, type[BaseModel]] = {
        TOKENS: TokenSettings,
        PIN: PinSettings,
        WITNESSES: WitnessSettings,
        CI_ISSUERS: CiIssuerSettings,
        CI_IDENTITIES: CiIdentitySettings,
        CLIENT_CA: ClientCaSettings,
    }
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            tables = {f"{name}.{inner}": each.annotation for inner, each in field.annotation.model_fields.items()}
            inside = {inner: table for inner, table in tables.items() if _is_section(table)}
            found |= {f"`[{inner}]`": table for inner, table in (inside or {name: field.annotation}).items()}
    return found


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


MODELS = _models()
FIELDS = {
    f"{heading} {name}": (heading, name, field)
    for heading, model in MODELS.items()
    for name, field in model.model_fields.items()
}


def _row(heading: str, name: str) -> dict[str, str]:
    (row,) = (item for item in section(PAGE, heading).table("setting").records() if item["setting"] == f"`{name}`")
    return row


@pytest.mark.parametrize("heading", MODELS)
def test_a_section_lists_its_settings_and_no_others(heading: str) -> None:
    listed = [cell for row in section(PAGE, heading).table("setting").rows for cell in quoted(row[0])]
    assert listed == list(MODELS[heading].model_fields)


def test_there_is_no_section_for_settings_that_do_not_exist() -> None:
    documented = {item.heading for item in sections(PAGE) if any(t.columns[0] == "setting" for t in item.tables)}
    assert documented == set(MODELS)


@pytest.mark.parametrize("setting", FIELDS)
def test_the_default_is_the_real_one(setting: str) -> None:
    heading, name, field = FIELDS[setting]
    assert _row(heading, name)["default"] == _default(field)


@pytest.mark.parametrize("setting", FIELDS)
def test_the_range_is_the_real_one(setting: str) -> None:
    heading, name, field = FIELDS[setting]
    assert _row(heading, name)["range"] == _range(field.metadata)


@pytest.mark.parametrize("setting", [name for name, (heading, _, _) in FIELDS.items() if heading.startswith("`[")])
def test_the_choices_are_the_real_ones(setting: str) -> None:
    heading, name, field = FIELDS[setting]
    if isinstance(field.annotation, type) and issubclass(field.annotation, Enum):
        assert quoted(_row(heading, name)["type"]) == [member.value for member in field.annotation]


@pytest.mark.parametrize("heading", [heading for heading in MODELS if heading not in WITHOUT_VARIABLES])
def test_each_setting_of_a_section_names_its_variable(heading: str) -> None:
    part = heading.strip("`[]")
    for row in section(PAGE, heading).table("setting").records():
        name = quoted(row["setting"])[0]
        if holds_tables(MODELS[heading].model_fields[name]):
            assert row["environment variable"] == ""
            continue
        assert quoted(row["environment variable"]) == [f"{ENVIRONMENT_PREFIX}{part}_{name}".replace(".", "_").upper()]


def test_the_variables_of_the_client_are_listed() -> None:
    table = section(PAGE, "Variables of the client").table("variable")
    listed = {quoted(row[0])[0]: row[1] for row in table.rows}
    assert set(listed) == CLIENT_VARIABLES == {*VARIABLES, *_variables_of_options()}
    assert listed["ARTIFACT_SIGNER_TIMEOUT"] == f"`{DEFAULT_TIMEOUT_SECONDS}`"
    assert listed[RETRY_VARIABLE] == f"`{DEFAULT_RETRY_SECONDS}`"


def _variables_of_options() -> set[str]:
    def command() -> None: ...

    config_option(command)
    return {option.envvar for option in command.__click_params__ if option.envvar}  # type: ignore[attr-defined]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return "empty" if field.default_factory is dict else "one per core"
    value = field.default
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _range(metadata: list[Any]) -> str:
    low = next((f"{_bound(item.ge)}" for item in metadata if isinstance(item, Ge)), None)
    low = next((f"over {_bound(item.gt)}" for item in metadata if isinstance(item, Gt)), low)
    high = next((f"{_bound(item.le)}" for item in metadata if isinstance(item, Le)), None)
    if low and high:
        return f"{low} to {high}"
    return f"from {low}" if low else ""


def _bound(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
