"""Who was forgotten under an earlier version, which kept their ids in Redis."""

from __future__ import annotations

import redis

from cron.user_keys import hash_without_key
from cron.wiring import open_histories
from tests.contracts.records import event
from tests.servers import Servers, unique


def test_marks_of_an_earlier_freshet_are_hashed_and_obeyed(servers: Servers) -> None:
    prefix = unique()
    raw = redis.Redis(port=servers.redis.port)
    raw.hset(f"{{{prefix}}}:forgotten", "u", "9999999999999999")
    histories = open_histories(f"redis://127.0.0.1:{servers.redis.port}/0?prefix={prefix}")
    histories.append([event(1), event(2, user_id="v")])
    assert histories.recent("u", 9) == ()
    assert histories.recent("v", 9) == (event(2, user_id="v"),)
    assert list(histories.forgotten()) == [hash_without_key("u")]
    assert raw.exists(f"{{{prefix}}}:forgotten") == 0
