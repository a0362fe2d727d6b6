"""Where clients of other products are to look: what is no mount is refused when settings are read."""

from __future__ import annotations

import pytest

from signer.dialect_settings import DialectSettings

NO_MOUNTS = {
    "a segment of the service's own": ["keys"],
    "one that begins with it": ["log/x"],
    "a slash before": ["/transit"],
    "an empty one": [""],
    "an encoded one": ["a%2Fb"],
    "dots": ["a/../b"],
    "one in another": ["a", "a/b"],
    "the same twice": ["a", "a"],
    "too many": [f"m{number}" for number in range(17)],
}


@pytest.mark.parametrize("sentence", NO_MOUNTS)
def test_what_is_no_mount_is_refused_when_settings_are_read(sentence: str) -> None:
    with pytest.raises(ValueError, match="mounts"):
        DialectSettings.model_validate({"vault": {"mounts": NO_MOUNTS[sentence]}})
