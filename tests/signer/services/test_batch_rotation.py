"""A rotation in the middle of a batch: each item is signed by the version that was active at its slice."""

from __future__ import annotations

import asyncio

from signer.domain.requests import Signature
from signer.services.artifact_signing import SigningCall
from tests.support.house import KEY, SIGNER, House, new_request

ITEMS = 60


def test_later_slices_are_signed_by_the_next_version(house: House) -> None:
    house.create()
    house.prepare()
    requests = [new_request() for _ in range(ITEMS)]

    async def batch() -> list[Signature | Exception]:
        results: list[Signature | Exception] = []
        signing = house.application.batch_signing
        calls = {each.manifest.sha256: SigningCall(identity=SIGNER, key=KEY, request=each) for each in requests}
        async for outcomes in signing.slices(KEY, requests, lambda each: calls[each.manifest.sha256]):
            if not results:
                await asyncio.to_thread(house.rotate)
            results += outcomes
        return results

    results = house.loop.run(batch())
    versions = [each.version for each in results if isinstance(each, Signature)]
    assert (len(versions), versions[0], versions[-1]) == (ITEMS, 1, 2)
    assert versions == sorted(versions)


def test_the_same_batch_again_is_signed_by_the_new_version_once(house: House) -> None:
    house.create()
    house.prepare()
    calls = [SigningCall(identity=SIGNER, key=KEY, request=new_request()) for _ in range(20)]
    first = house.sign_many(calls)
    house.rotate()
    again, twice = house.sign_many(calls), house.sign_many(calls)
    for results, version in ((first, 1), (again, 2), (twice, 2)):
        assert [each.version for each in results if isinstance(each, Signature)] == [version] * len(calls)
    assert [getattr(each, "encoded", None) for each in twice] == [getattr(each, "encoded", None) for each in again]
