"""Membership in the panel: by a hash of the id, with a secret or, in old releases, without."""

from __future__ import annotations

import hashlib

import pytest

from cron.snapshot.panel import Panel, key_id

USERS = [str(number) for number in range(4000)]
SECRET = "5" * 64


def keyed_panel(share: float, secret: str = SECRET) -> Panel:
    return Panel(share=share, key=key_id(secret), secret=secret)


def test_a_panel_without_a_key_is_a_plain_hash_of_the_id() -> None:
    fraction = int(hashlib.sha256(b"42").hexdigest(), 16) / 2**256
    assert Panel(share=fraction + 1e-9).holds("42")
    assert not Panel(share=fraction).holds("42")


@pytest.mark.parametrize("panel", [Panel(share=0.1), keyed_panel(0.1)])
def test_the_share_is_the_part_of_the_users_that_it_holds(panel: Panel) -> None:
    assert sum(map(panel.holds, USERS)) == pytest.approx(400, abs=80)
    assert not any(map(Panel(share=0.0, key=panel.key, secret=panel.secret).holds, USERS))
    greater = Panel(share=0.2, key=panel.key, secret=panel.secret)
    assert all(greater.holds(user) for user in USERS if panel.holds(user))


def test_who_knows_the_ids_does_not_know_the_panel() -> None:
    """Ids chosen for the plain hash or another secret are spread over the panel like others."""
    made = [user for user in USERS if Panel(share=0.1).holds(user)]
    assert 0 < sum(map(keyed_panel(0.1).holds, made)) < len(made) / 4
    assert 0 < sum(map(keyed_panel(0.1, "6" * 64).holds, made)) < len(made) / 4


def test_a_secret_is_not_shown_and_its_id_does_not_tell_it() -> None:
    assert SECRET not in repr(keyed_panel(0.1))
    assert key_id(SECRET) not in SECRET
    assert key_id(SECRET) != key_id("6" * 64)
