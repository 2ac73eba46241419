"""The ledger's API keys, on each database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cron.api_keys import ApiKey, Role, digest_of
from cron.errors import KeyNameInUse, UnknownKey
from cron.ledger import key_rows
from cron.ledger.ledger import Ledger, open_ledger
from tests.contracts.ledgers import EMBEDDED, ON_SERVERS

__all__ = ["EMBEDDED", "ON_SERVERS"]  # read by the suite's fixtures


def add(ledger: Ledger, name: str, *roles: Role) -> ApiKey:
    return key_rows.add(
        ledger,
        name,
        digest_of(name.encode()),
        roles=roles,
        origins=("https://shop.example",) if "browser" in roles else (),
        created_by="ann",
    )


def test_keys_come_back_as_they_were_stored(ledger: Ledger, url: str) -> None:
    web, back = add(ledger, "web", "browser"), add(ledger, "back end 日本", "write", "read")
    again = open_ledger(url)
    assert key_rows.every(again) == (back, web)
    assert web.origins == ("https://shop.example",)
    again.close()


def test_a_revoked_key_keeps_its_row_and_its_time(ledger: Ledger) -> None:
    add(ledger, "one", "read")
    add(ledger, "two", "read")
    key_rows.revoke(ledger, "one")
    first = key_rows.every(ledger)
    assert [key.revoked_at is None for key in first] == [False, True]
    key_rows.revoke(ledger, "one")
    assert key_rows.every(ledger) == first
    with pytest.raises(UnknownKey, match="'three'; existing keys: one, two"):
        key_rows.revoke(ledger, "three")


def test_a_name_is_never_given_again(ledger: Ledger) -> None:
    add(ledger, "web", "read")
    key_rows.revoke(ledger, "web")
    with pytest.raises(KeyNameInUse, match="'web'"):
        add(ledger, "web", "operate")
    assert [key.roles for key in key_rows.every(ledger)] == [("read",)]


def test_of_many_who_add_a_name_one_succeeds(ledger: Ledger) -> None:
    def race(_number: int) -> bool:
        try:
            add(ledger, "web", "read")
        except KeyNameInUse:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(race, range(8))) == 1
