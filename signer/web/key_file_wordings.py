"""How refusals of keys from files are told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer.errors import key_files as errors
from signer.web.wording import Wording

KEY_FILE_WORDINGS: Mapping[type[Exception], Wording] = MappingProxyType(
    {
        errors.KeyFileRejected: Wording(status=400, detail="the key cannot be taken: {reason}"),
        errors.KeyFileReadable: Wording(
            status=400,
            detail="others than its owner may read the private key in {path} (mode {mode})",
            hint="who may have read it? If nobody has: chmod 600, then again",
        ),
        errors.PassphraseMissing: Wording(
            status=400, detail="the private key is encrypted", hint="give its passphrase with --passphrase-file FILE"
        ),
        errors.PassphraseRejected: Wording(
            status=400, detail="the passphrase does not open the private key, or the file is damaged"
        ),
        errors.ImportNotAllowed: Wording(status=409, detail="nothing was imported as key {key}: {reason}"),
    }
)
