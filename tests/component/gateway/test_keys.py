"""Keys of the ledger: roles, rotation without a restart, and what browser keys may do."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cron import wiring
from cron.api_keys import Role, digest_of, draw_key
from cron.ledger import key_rows
from cron.ledger.ledger import Ledger
from tests.component.gateway_process import StandIn, gateway, settings_in

LIMIT_S = 120.0  # of what takes a second on an idle machine
SHOP = "https://shop.example"
VISITOR = "7f0c2c1e-1c1f-4be4-8a55-0d6f3c3a6c52"
VIEW = {"user_id": VISITOR, "item_id": "5", "type": "view"}
CALLS = {
    "events": ("POST", "/v1/events"),
    "items": ("POST", "/v1/items"),
    "forget": ("DELETE", f"/v1/users/{VISITOR}"),
    "recommendations": ("GET", f"/v1/recommendations/{VISITOR}"),
    "session": ("POST", "/v1/recommendations"),
    "predict": ("POST", "/predict"),
    "status": ("GET", "/v1/status"),
    "metrics": ("GET", "/metrics"),
}


@dataclass(frozen=True, kw_only=True)
class Door:
    """A gateway with keys."""

    client: httpx.Client
    ledger: Ledger

    def add(self, name: str, *roles: Role) -> dict[str, str]:
        """Make a key, wait until the gateway accepts it, and return the header with it."""
        key = draw_key()
        origins = (SHOP,) if "browser" in roles else ()
        key_rows.add(
            self.ledger,
            name,
            digest_of(key.encode()),
            roles=roles,
            origins=origins,
            created_by="ann",
        )
        headers = {"Authorization": f"Bearer {key}"}
        self.wait_for(headers, valid=True)
        return headers

    def wait_for(self, headers: dict[str, str], *, valid: bool) -> None:
        """Wait until the gateway follows the ledger."""
        deadline = time.monotonic() + LIMIT_S
        while (self.client.get("/v1/status", headers=headers).status_code != 401) != valid:
            assert time.monotonic() < deadline, "the gateway does not follow the ledger's keys"
            time.sleep(0.02)

    def statuses(self, headers: dict[str, str]) -> dict[str, int]:
        """Return the status of every call, each with an empty body."""
        return {
            name: self.client.request(method, path, headers=headers).status_code
            for name, (method, path) in CALLS.items()
        }


@contextmanager
def open_door(folder: Path) -> Iterator[Door]:
    model = StandIn()
    settings = settings_in(folder, inference_port=model.port)
    ledger = wiring.open_ledger(settings.store.ledger)
    key_rows.add(ledger, "first", "0" * 64, roles=("read",), origins=(), created_by="ann")
    with gateway(settings) as client:
        yield Door(client=client, ledger=ledger)
    ledger.close()
    model.stop()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with open_door(tmp_path_factory.mktemp("door")) as door:
        yield door


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("browser", {"events", "recommendations", "session"}),
        ("write", {"events", "items", "forget"}),
        ("read", {"recommendations", "session", "predict", "status", "metrics"}),
        ("operate", {"status", "metrics"}),
    ],
)
def test_a_key_may_call_what_its_role_is_for(door: Door, role: Role, allowed: set[str]) -> None:
    headers = door.add(f"a key for {role}", role)
    refused = {name for name, status in door.statuses(headers).items() if status == 403}
    assert refused == set(CALLS) - allowed
    answer = door.client.request(*CALLS[min(refused)], headers=headers).json()["error"]
    assert answer["field"] == "authorization"
    assert f"the key 'a key for {role}' has {role}" in answer["reason"]


def test_a_key_with_two_roles_has_both(door: Door) -> None:
    headers = door.add("back end", "read", "write")
    assert 403 not in door.statuses(headers).values()


def test_without_a_valid_key_nothing_is_answered(door: Door) -> None:
    for headers in ({}, {"Authorization": "Bearer freshet_wrong"}, {"Authorization": "Basic x"}):
        assert set(door.statuses(headers).values()) == {401}
    assert door.client.get("/healthz").status_code == 200


def test_keys_are_rotated_without_a_restart(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        old, new = door.add("old", "read"), door.add("new", "read")
        key_rows.revoke(door.ledger, "old")
        door.wait_for(old, valid=False)
        assert door.client.get("/v1/status", headers=new).status_code == 200
        key_rows.revoke(door.ledger, "new")
        key_rows.revoke(door.ledger, "first")
        door.wait_for(new, valid=False)
        assert door.client.get("/v1/status").status_code == 401


def test_a_browser_key_sends_what_a_visitor_does(door: Door) -> None:
    headers = door.add("web of events", "browser")
    records = [
        VIEW,
        {**VIEW, "type": "purchase"},
        {**VIEW, "user_id": "17"},
        {**VIEW, "event_id": "order-7313-of-2026"},
        {**VIEW, "event_id": str(uuid.uuid4())},
    ]
    answer = door.client.post("/v1/events", json=records, headers=headers)
    assert answer.json()["accepted"] == 2
    assert [(one["index"], one["field"]) for one in answer.json()["rejected"]] == [
        (1, "type"),
        (2, "user_id"),
        (3, "event_id"),
    ]
    large = door.client.post("/v1/events", content=b" " * 65_537, headers=headers)
    assert large.status_code == 413
    assert "the limit is 64 KiB" in large.json()["error"]["reason"]


def test_a_browser_key_asks_for_no_id_that_is_guessed(door: Door) -> None:
    headers = door.add("web of answers", "browser")
    path = "/v1/recommendations"
    for answer in (
        door.client.get(f"{path}/17", headers=headers),
        door.client.post(path, json={"user_id": 17}, headers=headers),
    ):
        assert answer.status_code == 400
        assert answer.json()["error"]["field"] == "user_id"
        assert "can't be guessed" in answer.json()["error"]["reason"]
    for body in ({"user_id": VISITOR}, {"history": ["5"]}):
        assert door.client.post(path, json=body, headers=headers).status_code == 200
    texts = {"history": ["a heist film " * 20] * 8}
    refused = door.client.post(path, json=texts, headers=headers)
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "history")
    large = door.client.post(path, content=b" " * 65_537, headers=headers)
    assert large.status_code == 413


def test_only_a_browser_key_may_be_in_the_address(door: Door) -> None:
    expected: dict[Role, int] = {"browser": 202, "write": 401}
    for role, status in expected.items():
        headers = door.add(f"{role} in an address", role)
        key = headers["Authorization"].removeprefix("Bearer ")
        assert door.client.post(f"/v1/events?key={key}", json=VIEW).status_code == status
    assert door.client.get("/v1/status?key=x").status_code == 401


def test_pages_of_listed_sites_may_call_and_others_not(door: Door) -> None:
    headers = door.add("web of pages", "browser")
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x"}
    allowed = door.client.options("/v1/events", headers={"Origin": SHOP, **asked})
    assert (allowed.status_code, allowed.content) == (204, b"")
    assert allowed.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Authorization" in allowed.headers["Access-Control-Allow-Headers"]
    for origin in ("https://evil.example", "null", "http://shop.example", f"{SHOP}.evil.example"):
        refused = door.client.options("/v1/events", headers={"Origin": origin, **asked})
        assert refused.status_code == 405
        posted = door.client.post("/v1/events", json=VIEW, headers={**headers, "Origin": origin})
        assert (posted.status_code, posted.json()["error"]["field"]) == (403, "origin")
        for answer in (refused, posted):
            assert "Access-Control-Allow-Origin" not in answer.headers
    posted = door.client.post("/v1/events", json=VIEW, headers={**headers, "Origin": SHOP})
    assert posted.status_code == 202
    assert posted.headers["Access-Control-Allow-Origin"] == SHOP
    assert posted.headers["Vary"] == "Origin"


def test_a_page_may_read_why_it_was_refused(door: Door) -> None:
    door.add("web of refusals", "browser")
    answer = door.client.post("/v1/events", json=VIEW, headers={"Origin": SHOP})
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
