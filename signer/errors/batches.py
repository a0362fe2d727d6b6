"""Refusals of batches, and of single items in them."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class BatchEmpty(SignerError):
    """The batch asks for nothing."""

    code = "batch-empty"


@dataclass(eq=False, kw_only=True)
class BatchTooLong(SignerError):
    """The batch has more items than one may have. ``limit``: how many."""

    code = "batch-too-long"
    limit: int


@dataclass(eq=False, kw_only=True)
class BatchesExhausted(SignerError):
    """The batches that are worked on hold all the memory that they may."""

    code = "batches-exhausted"


@dataclass(eq=False, kw_only=True)
class BatchItemTooLarge(SignerError):
    """One item of a batch is larger than an item may be. ``limit``: bytes."""

    code = "batch-item-too-large"
    limit: int


@dataclass(eq=False, kw_only=True)
class BatchItemInvalid(SignerError):
    """One item of a batch has not the form of one. ``problem``: what is wrong with it."""

    code = "batch-item-invalid"
    problem: str
