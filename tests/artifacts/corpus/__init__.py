"""The corpus: every rule of the format, kept and broken, with the verdicts that three readers give."""

from . import (
    header_info,
    header_tar,
    manifest,
    numbers,
    outer,
    payload,
    payload_storage,
    scripts,
    second_archives,
    signature,
    tampering,
    type_info,
    version,
)
from .case import Case, Go

CORPUS: tuple[Case, ...] = (
    *outer.CASES,
    *second_archives.CASES,
    *numbers.CASES,
    *version.CASES,
    *manifest.CASES,
    *signature.CASES,
    *header_info.CASES,
    *type_info.CASES,
    *scripts.CASES,
    *header_tar.CASES,
    *payload_storage.CASES,
    *payload.CASES,
    *tampering.CASES,
)

__all__ = ["CORPUS", "Case", "Go"]
