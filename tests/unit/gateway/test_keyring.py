"""The keys that a gateway accepts, and what happens while the ledger is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from cron.api_keys import ApiKey, Role, digest_of
from cron.errors import Unavailable
from gateway.callers.keyring import Caller, Keyring
from gateway.following import follow

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Ledger:
    """The rows of a ledger that may be away."""

    def __init__(self) -> None:
        self.keys: list[ApiKey] = []
        self.is_away = False

    def read(self) -> Sequence[ApiKey]:
        if self.is_away:
            raise Unavailable("the ledger", where="there", why="it is away")
        return self.keys


def key(text: str, *roles: Role, origin: str | None = None, revoked: bool = False) -> ApiKey:
    return ApiKey(
        name=text,
        digest=digest_of(text.encode()),
        roles=roles,
        origins=() if origin is None else (origin,),
        created_at=AT,
        created_by="ann",
        revoked_at=AT if revoked else None,
    )


def name_of(caller: Caller | None) -> str | None:
    return caller.name if caller is not None else None


def test_each_valid_key_is_found_and_no_other() -> None:
    ledger = Ledger()
    ledger.keys = [key("one", "read"), key("two", "write"), key("old", "read", revoked=True)]
    ring = Keyring("own", ledger.read)
    ring.refresh()
    sent = (b"one", b"two", b"own", b"old", b"", b"on", ledger.keys[0].digest.encode())
    names = [name_of(ring.find(token)) for token in sent]
    assert names == ["one", "two", "gateway.api_key", None, None, None, None]


def test_the_setting_has_every_role_and_no_browser_rules() -> None:
    caller = Keyring("own", Ledger().read).find(b"own")
    assert caller is not None
    assert caller.roles == {"read", "write", "operate"}
    assert not caller.is_browser


def test_a_changed_ledger_changes_keys_and_origins() -> None:
    ledger = Ledger()
    ring = Keyring(None, ledger.read)
    ledger.keys = [key("web", "browser", origin="https://a.example")]
    ring.refresh()
    assert name_of(ring.find(b"web")) == "web"
    assert ring.origins == {"https://a.example"}
    ledger.keys = [
        key("web", "browser", origin="https://a.example", revoked=True),
        key("web-2", "browser", origin="https://b.example"),
    ]
    ring.refresh()
    assert [name_of(ring.find(one)) for one in (b"web", b"web-2")] == [None, "web-2"]
    assert ring.origins == {"https://b.example"}


def test_while_the_ledger_is_away_the_known_keys_hold() -> None:
    ledger = Ledger()
    ledger.keys = [key("one", "read")]
    ring = Keyring(None, ledger.read)
    ring.refresh()
    ledger.is_away, ledger.keys = True, []
    with pytest.raises(Unavailable):
        ring.refresh()
    assert name_of(ring.find(b"one")) == "one"
    assert not ring.is_empty


def test_following_survives_any_error_of_the_ledger() -> None:
    """A key that is revoked after the error must still be refused."""
    answers: list[Sequence[ApiKey] | Exception] = [
        [key("one", "read")],
        ValueError("a row that is not JSON"),
        Unavailable("the ledger", where="there", why="it is away"),
        [key("one", "read", revoked=True)],
    ]

    def read() -> Sequence[ApiKey]:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def follow_until_revoked() -> None:
        ring = Keyring(None, read)
        ring.refresh()
        following = asyncio.create_task(follow(ring.refresh, what="keys", every_s=0.001))
        async with asyncio.timeout(60):
            while ring.find(b"one") is not None:
                await asyncio.sleep(0.001)
        following.cancel()

    asyncio.run(follow_until_revoked())


def test_revoking_the_last_key_does_not_open_the_door() -> None:
    ledger = Ledger()
    ring = Keyring(None, ledger.read)
    ring.refresh()
    assert ring.is_empty
    ledger.keys = [key("one", "read", revoked=True)]
    ring.refresh()
    assert not ring.is_empty
