"""Redis behind a password, in a cluster, over TLS, or as a server that never answers."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
import redis

from cron.errors import AccessRefused, Unavailable
from cron.ports import START, Cursor
from cron.wiring import open_histories, open_log
from tests.contracts.records import event, item
from tests.ports import free_port
from tests.services.redis_stores import histories_url, log_url, own_redis, until_done


def test_a_server_that_drops_packets_is_reported_too() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        started = time.monotonic()
        with pytest.raises(Unavailable, match="does not answer"):
            open_log(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0").backlog(START)
        assert time.monotonic() - started < 60, "a time-out a try, and few tries"


def test_a_wrong_password_is_reported_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_redis(tmp_path / "redis", password="right-one") as server:
        for password in (None, "wrong-one"):
            if password:
                monkeypatch.setenv("REDIS_PASSWORD", password)
            with pytest.raises(
                AccessRefused, match=r"the event log at .* refuses access .*REDIS_PASSWORD"
            ) as told:
                open_log(log_url(server)).append([event(1)])
            assert "wrong-one" not in str(told.value)
            with pytest.raises(
                AccessRefused, match=r"the history store at .* refuses access .*REDIS_PASSWORD"
            ):
                open_histories(histories_url(server)).recent("u", 1)
        monkeypatch.setenv("REDIS_PASSWORD", "right-one")
        assert open_log(log_url(server)).append([event(1)]).accepted == 1


def test_all_keys_are_in_one_slot_of_a_cluster(tmp_path: Path) -> None:
    cluster = f"cluster-enabled yes\ncluster-port {free_port()}\n"
    with (
        own_redis(tmp_path / "redis", more_config=cluster) as server,
        closing(redis.Redis(port=server.port)) as client,
    ):
        slots = ("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        client.execute_command(*slots)  # type: ignore[no-untyped-call]
        log, histories = open_log(log_url(server)), open_histories(histories_url(server))
        until_done(lambda: log.append([event(1), event(2)]))  # the cluster needs a moment to be one
        histories.append(
            [event(1, user_id="a"), event(2, user_id="b"), item(3, "i", hidden=True)],
            cursor=Cursor("7"),
        )
        histories.forget("a", at=event(1).at)
        log.trim(log.read(START, 1).cursor)
        assert log.backlog(START) == 1
        assert (histories.recent("a", 9), histories.recent("b", 9)) == (
            (),
            (event(2, user_id="b"),),
        )
        histories.clear()


def test_tls_with_an_authority_of_ones_own(tmp_path: Path) -> None:
    certificate = [
        "-keyout",
        str(tmp_path / "key.pem"),
        "-out",
        str(tmp_path / "ca.pem"),
        "-subj",
        "/CN=localhost",
    ]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *certificate, *names],
        check=True,
        capture_output=True,
    )
    port = free_port()
    tls = (
        f"tls-port {port}\ntls-cert-file {tmp_path}/ca.pem\ntls-key-file {tmp_path}/key.pem\n"
        f"tls-auth-clients no\ntls-ca-cert-file {tmp_path}/ca.pem\n"
    )
    with own_redis(tmp_path / "redis", more_config=tls):
        log = open_log(f"rediss://127.0.0.1:{port}/0?ca={tmp_path}/ca.pem")
        assert log.append([event(1)]).accepted == 1
        with pytest.raises(Unavailable, match=r"(?i)certificate"):
            open_log(f"rediss://127.0.0.1:{port}/0").append([event(2)])
