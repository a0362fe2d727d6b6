"""Which mechanisms an algorithm needs, by the names under which tokens list them.

For those who look at a token from outside; the token's process chooses by number, from the same names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from hsm.algorithms import Algorithm

# Any one of a row is enough.
SIGNING: Mapping[Algorithm, frozenset[str]] = MappingProxyType(
    {
        Algorithm.ECDSA_P256: frozenset({"ECDSA", "ECDSA_SHA256"}),
        Algorithm.RSA_2048: frozenset({"RSA_PKCS", "SHA256_RSA_PKCS"}),
        Algorithm.RSA_3072: frozenset({"RSA_PKCS", "SHA256_RSA_PKCS"}),
        Algorithm.RSA_4096: frozenset({"RSA_PKCS", "SHA256_RSA_PKCS"}),
        Algorithm.ED25519: frozenset({"EDDSA"}),
    }
)
GENERATION: Mapping[Algorithm, frozenset[str]] = MappingProxyType(
    {
        Algorithm.ECDSA_P256: frozenset({"EC_KEY_PAIR_GEN", "ECDSA_KEY_PAIR_GEN"}),
        Algorithm.RSA_2048: frozenset({"RSA_PKCS_KEY_PAIR_GEN"}),
        Algorithm.RSA_3072: frozenset({"RSA_PKCS_KEY_PAIR_GEN"}),
        Algorithm.RSA_4096: frozenset({"RSA_PKCS_KEY_PAIR_GEN"}),
        Algorithm.ED25519: frozenset({"EC_EDWARDS_KEY_PAIR_GEN"}),
    }
)


def can_sign(algorithm: Algorithm, offered: Collection[str]) -> bool:
    """Whether a token that offers these mechanisms signs with the algorithm."""
    return not SIGNING[algorithm].isdisjoint(offered)


def can_generate(algorithm: Algorithm, offered: Collection[str]) -> bool:
    """Whether a token that offers these mechanisms makes pairs for the algorithm."""
    return not GENERATION[algorithm].isdisjoint(offered)
