"""Limits of a running gateway behind a proxy: 429 with Retry-After, and floods of events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from cron import wiring
from cron.api_keys import digest_of
from cron.ledger import key_rows
from tests.component.gateway_process import gateway, settings_in

SHOP = "https://shop.example"
VISITOR = "7f0c2c1e-1c1f-4be4-8a55-0d6f3c3a6c52"


@dataclass(frozen=True, kw_only=True)
class LimitedGateway:
    """A gateway behind a proxy: 1 call of an address in 50 s, 2 of a key, 3 events of a user."""

    client: httpx.Client

    def post(self, *, key: str, address: str, num_events: int = 1) -> httpx.Response:
        """Send events as a visitor whose call a proxy forwards."""
        records = [
            {"user_id": VISITOR, "item_id": str(number), "type": "view"}
            for number in range(num_events)
        ]
        headers = {
            "Authorization": f"Bearer {key}",
            "Origin": SHOP,
            "X-Forwarded-For": f"203.0.113.9, {address}",
        }
        return self.client.post("/v1/events", json=records, headers=headers)


@contextmanager
def open_limited(
    folder: Path, *, trusted: tuple[str, ...] | None = ("127.0.0.0/8",)
) -> Iterator[LimitedGateway]:
    settings = settings_in(folder, inference_port=9, api_key="own")
    ledger = wiring.open_ledger(settings.store.ledger)
    for name in ("web", "second web"):
        key_rows.add(
            ledger,
            name,
            digest_of(name.encode()),
            roles=("browser",),
            origins=(SHOP,),
            created_by="ann",
        )
    ledger.close()
    limits = replace(
        settings.gateway,
        key_calls_s=0.4,
        address_calls_s=0.02,
        user_events_min=3.0,
        trusted_proxies=trusted,
    )
    with gateway(replace(settings, gateway=limits)) as client:
        yield LimitedGateway(client=client)


@pytest.fixture(scope="module")
def limited_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LimitedGateway]:
    with open_limited(tmp_path_factory.mktemp("limited")) as gateway_of_all:
        yield gateway_of_all


def test_too_many_calls_of_an_address_are_429(limited_gateway: LimitedGateway) -> None:
    first, second = (limited_gateway.post(key="web", address="192.0.2.1") for _ in range(2))
    assert first.status_code == 202
    assert second.status_code == 429
    assert 1 <= int(second.headers["Retry-After"]) <= 50
    assert second.headers["Access-Control-Allow-Origin"] == SHOP
    assert "192.0.2.1 sends more than 0.02 calls" in second.json()["error"]["reason"]
    other = limited_gateway.post(key="web", address="192.0.2.2")
    assert other.status_code != 429
    guesses = [limited_gateway.post(key="?", address="192.0.2.3").status_code for _ in range(2)]
    assert guesses == [401, 429]
    metrics = limited_gateway.client.get("/metrics", headers={"Authorization": "Bearer own"}).text
    assert 'freshet_limited_total{limit="address"} 2.0' in metrics


def test_too_many_calls_of_a_key_are_429(limited_gateway: LimitedGateway) -> None:
    assert any(  # soon, however slow the machine is
        limited_gateway.post(key="second web", address=f"192.0.2.{number}").status_code == 429
        for number in range(10, 60)
    )


def test_a_flood_of_one_user_is_rejected_and_counted(tmp_path: Path) -> None:
    with open_limited(tmp_path) as limited_gateway:
        answer = limited_gateway.post(key="web", address="192.0.2.4", num_events=5).json()
        assert answer["accepted"] == 3
        assert [one["index"] for one in answer["rejected"]] == [3, 4]
        assert "more than 3 events a minute" in answer["rejected"][0]["reason"]
        own = {"Authorization": "Bearer own"}
        metrics = limited_gateway.client.get("/metrics", headers=own).text
        assert 'freshet_limited_total{limit="user"} 2.0' in metrics
        records = [{"user_id": "ann", "item_id": "5", "type": "view"}] * 9
        sent = limited_gateway.client.post("/v1/events", json=records, headers=own).json()
        assert sent["rejected"] == []


def test_an_address_that_nobody_vouches_for_is_ignored(tmp_path: Path) -> None:
    """Two calls of one claimed address: neither is counted for it, since anybody can claim one."""
    with open_limited(tmp_path, trusted=None) as limited_gateway:
        statuses = [
            limited_gateway.post(key="web", address="192.0.2.1").status_code for _ in range(2)
        ]
    assert statuses == [202, 202]
