"""How often somebody may try to log in. Attempts count from their beginning; one that succeeds is taken back.

1. A place is a bucket that runs out at a steady rate. An attempt is heard where all of its places have room.
2. *Address*: all attempts from one address, whoever they claim to be.
3. *Account from there*: attempts at one account from one address.
4. *Account*: attempts at one account from anywhere, several times what one address may. It is not asked where the user
   logged in from that address not long ago: so strangers elsewhere keep nobody out, and one stranger alone keeps nobody
   out from anywhere.
5. Without an address that is believed there is one place for all of those: the account's.
6. Accounts are counted whether or not they exist: the answer tells nobody which do.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import timedelta

NETWORK_BITS = 64
# What all addresses together may try of an account, as a multiple of what one may.
ALL_ADDRESSES = 4
# What one address may try of all accounts, likewise.
ALL_ACCOUNTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPlace:
    """A bucket. ``key``: 32 bytes; ``most`` attempts at once, and as many run out in ``period``."""

    key: bytes
    most: int
    period: timedelta

    def wait(self, level: float) -> timedelta:
        """How long until one more attempt has room; zero where it has."""
        excess = max(0.0, level + 1 - self.most)
        return excess * self.period / self.most

    def level_after(self, level: float, passed: timedelta) -> float:
        """What is left of the attempts after this time; a clock that went back lets none run out."""
        return max(0.0, level - max(passed, timedelta()) / self.period * self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRates:
    """``most``: attempts at an account from one address at once, and in ``period``."""

    most: int
    period: timedelta

    def places(self, email: str, address: str | None, *, known: bool) -> tuple[LoginPlace, ...]:
        """Where an attempt counts. ``known``: whether this user logged in from there not long ago."""
        if address is None:
            return (self._place("account", email, times=1),)
        network = network_of(address)
        places = [
            self._place("address", network, times=ALL_ACCOUNTS),
            self._place("account-from", f"{network} {email}", times=1),
        ]
        if not known:
            places.append(self._place("account-anywhere", email, times=ALL_ADDRESSES))
        return tuple(places)

    def _place(self, kind: str, name: str, *, times: int) -> LoginPlace:
        key = hashlib.sha256(f"{kind} {name}".encode()).digest()
        return LoginPlace(key=key, most=self.most * times, period=self.period)


def origin_of(address: str | None) -> bytes | None:
    """What is kept of an address from which somebody logged in."""
    return None if address is None else hashlib.sha256(f"origin {network_of(address)}".encode()).digest()


def network_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 one."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address, NETWORK_BITS), strict=False))
