"""Small random changes of bytes."""

from __future__ import annotations

import random


def mutated(seed: bytes, other: bytes, rng: random.Random) -> bytes:
    """`seed` after one to eight changes, some of which take bytes from `other`."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data) + 1)
        length = min(rng.choice((1, 1, 1, 4, 16, 512)), len(data) - at)
        start = rng.randrange(len(other))
        change = rng.randrange(6)
        if change == 0:
            del data[at : at + length]
        elif change == 1:
            data[at:at] = other[start : start + length]
        elif change == 2:
            data[at : at + length] = rng.randbytes(length)
        elif change == 3:
            data[at : at + length] = data[at : at + length].swapcase()
        elif change == 4:
            data[at : at + length] = bytes(length)
        elif length:
            data[at] ^= 1 << rng.randrange(8)
    return bytes(data)
