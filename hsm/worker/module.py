"""Loads a PKCS#11 module for many threads. Only a token's own process imports this file.

1. The library initialises modules for one thread and then releases the interpreter lock during calls, which
   corrupts modules that believed it. So ``C_Initialize`` is called here, with ``CKF_OS_LOCKING_OK``.
2. A module that answers ``CKR_CANT_LOCK`` is initialised for one thread, and ``threads`` is False: its users take
   one lock around every call.
3. Initialising is ours, so finalising is ours too.
4. There is one function list, the library's. Some modules give an instance of their own to everyone who asks for a list
   (p11-kit's proxy and its client for remote modules): one that was initialised would not be the one that is used. The
   library does not show its list, so it is read where the library keeps it, after a check that it is there.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pkcs11
import pkcs11._pkcs11
from pkcs11 import exceptions as p11

from hsm.errors import ModuleMissing, TokenUnavailable

CKF_OS_LOCKING_OK = 0x2
CKR_OK = 0x0
CKR_CANT_LOCK = 0xA
CKR_CRYPTOKI_NOT_INITIALIZED = 0x190
CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191
UNAVAILABLE_INFORMATION = ctypes.c_ulong(-1).value
EFFECTIVELY_INFINITE = 0
LISTS = 3  # the fields of the library's base class: one list for each version of the standard


class _InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS, PKCS#11 v2.40 section 3.7."""

    _fields_ = (
        ("CreateMutex", ctypes.c_void_p),
        ("DestroyMutex", ctypes.c_void_p),
        ("LockMutex", ctypes.c_void_p),
        ("UnlockMutex", ctypes.c_void_p),
        ("flags", ctypes.c_ulong),
        ("pReserved", ctypes.c_void_p),
    )


class TokenInfo(ctypes.Structure):
    """CK_TOKEN_INFO, PKCS#11 v2.40 section 3.3: the library hides its counters."""

    _fields_ = (
        ("label", ctypes.c_char * 32),
        ("manufacturer", ctypes.c_char * 32),
        ("model", ctypes.c_char * 16),
        ("serial", ctypes.c_char * 16),
        ("flags", ctypes.c_ulong),
        ("max_sessions", ctypes.c_ulong),
        ("sessions", ctypes.c_ulong),
        ("max_rw_sessions", ctypes.c_ulong),
        ("rw_sessions", ctypes.c_ulong),
        ("max_pin", ctypes.c_ulong),
        ("min_pin", ctypes.c_ulong),
        ("total_public_memory", ctypes.c_ulong),
        ("free_public_memory", ctypes.c_ulong),
        ("total_private_memory", ctypes.c_ulong),
        ("free_private_memory", ctypes.c_ulong),
        ("versions", ctypes.c_ubyte * 4),
        ("time", ctypes.c_char * 16),
    )


class _FunctionList(ctypes.Structure):
    """The beginning of CK_FUNCTION_LIST: its order is fixed by PKCS#11 v2.40 section 3.6."""

    _fields_ = (
        ("version", ctypes.c_ubyte * 2),
        ("C_Initialize", ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_void_p)),
        ("C_Finalize", ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_void_p)),
        ("C_GetInfo", ctypes.c_void_p),
        ("C_GetFunctionList", ctypes.c_void_p),
        ("C_GetSlotList", ctypes.c_void_p),
        ("C_GetSlotInfo", ctypes.c_void_p),
        ("C_GetTokenInfo", ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_ulong, ctypes.POINTER(TokenInfo))),
    )


_LOADED: list[Any] = []


class Module:
    """One PKCS#11 module, initialised. ``threads``: whether several may call it at once."""

    def __init__(self, path: Path) -> None:
        self.threads = True
        self._functions: _FunctionList
        module = self

        class _Library(pkcs11._pkcs11.lib):
            def initialize(self) -> None:
                module._functions = _function_list(self)
                module.initialize()

        try:
            self.library: Any = _Library(str(path))
        except p11.PKCS11Error:
            raise ModuleMissing(path=str(path), reason="cannot be loaded") from None
        # The library unloads the module with its last object, and tokens and sessions point into it without holding it.
        _LOADED.append(self.library)

    def initialize(self) -> None:
        """``C_Initialize`` with operating system locks, or for one thread where the module has none."""
        arguments = _InitializeArguments(flags=CKF_OS_LOCKING_OK)
        result = self._functions.C_Initialize(ctypes.addressof(arguments))
        if result == CKR_CANT_LOCK:
            self.threads = False
            result = self._functions.C_Initialize(None)
        if result not in (CKR_OK, CKR_CRYPTOKI_ALREADY_INITIALIZED):
            raise TokenUnavailable(reason=f"C_Initialize {result:#x}")

    def finalize(self) -> None:
        """``C_Finalize``; every session and handle is gone afterwards, whatever it answers."""
        self._functions.C_Finalize(None)

    def token_info(self, slot_id: int) -> TokenInfo:
        """``C_GetTokenInfo``, which needs neither session nor login."""
        info = TokenInfo()
        result = self._functions.C_GetTokenInfo(slot_id, ctypes.byref(info))
        if result != CKR_OK:
            raise TokenUnavailable(reason=f"C_GetTokenInfo {result:#x}")
        return info


def counter(value: int) -> int | None:
    """A counter of CK_TOKEN_INFO; None where the token does not tell."""
    return None if value == UNAVAILABLE_INFORMATION else value


def _function_list(library: Any) -> _FunctionList:
    """The CK_FUNCTION_LIST that ``library`` calls: the first field of its base class, behind the head of any object."""
    binding: Any = pkcs11._pkcs11  # which declares less than it has
    base = binding.HasFuncList
    fields = base.__basicsize__ - object.__basicsize__
    if not isinstance(library, base) or fields != LISTS * ctypes.sizeof(ctypes.c_void_p):
        raise TokenUnavailable(reason="python-pkcs11 keeps its function list elsewhere")
    pointer = ctypes.POINTER(_FunctionList).from_address(id(library) + object.__basicsize__)
    if not pointer:
        raise TokenUnavailable(reason="no function list")
    return pointer.contents
