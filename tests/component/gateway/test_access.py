"""Who may call: holders of the key; without a key this machine, but not other sites' pages."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest

from cron.settings.tree import GatewaySettings
from cron.verbs.gateway_calls import GatewayCalls
from tests.component.gateway_process import (
    RunningGateway,
    gateway,
    settings_in,
)

VIEW = {"user_id": "ann", "item_id": "5", "type": "view"}


def bearer(key: bytes) -> dict[bytes, bytes]:
    return {b"Authorization": b"Bearer " + key}


@pytest.mark.parametrize(
    ("key", "right", "wrong"),
    [
        (
            "schlüssel",
            ["schlüssel".encode(), "schlüssel".encode("latin-1")],
            [b"schl?ssel", b"schlssel"],
        ),
        ("voilà", ["voilà".encode()], [b"voil\xc3"]),  # its last byte is a space in Latin-1
        ("ключ", ["ключ".encode()], [b"????", "ключ".encode("cp1251")]),
        ("\udcff\udcfe", [b"\xff\xfe"], [b"??"]),  # what was no UTF-8 in the environment
        ("line\n", [b"line"], [b"lin"]),
    ],
)
def test_a_key_of_any_letters_is_accepted_and_no_other(
    tmp_path: Path, key: str, right: list[bytes], wrong: list[bytes]
) -> None:
    with gateway(settings_in(tmp_path, inference_port=9, api_key=key)) as client:
        assert [client.get("/v1/status", headers=bearer(one)).status_code for one in right] == [
            200
        ] * len(right)
        assert [client.get("/v1/status", headers=bearer(one)).status_code for one in wrong] == [
            401
        ] * len(wrong)
        own = GatewaySettings(api_key=key)
        with GatewayCalls("/v1/events", str(client.base_url), own, say=print) as calls:
            answer = calls.post(json.dumps(VIEW).encode(), "application/json")
        assert answer.status_code == 202


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"Basic " + b64encode("schlüssel:".encode()), 200),
        (b"basic " + b64encode("schlüssel:a password".encode()), 200),
        (b"Basic " + b64encode("schlüssel".encode()), 200),
        (b"Basic " + b64encode(b":"), 401),
        (b"Basic " + b64encode(b"wrong:"), 401),
        (b"Basic schl\xfcssel", 401),
        (b"Basic", 401),
    ],
)
def test_a_key_may_be_the_user_name_of_basic(tmp_path: Path, header: bytes, status: int) -> None:
    with gateway(settings_in(tmp_path, inference_port=9, api_key="schlüssel")) as client:
        answer = client.get("/v1/status", headers={b"Authorization": header})
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Host", "shop.example"),
        ("Origin", "https://shop.example"),
        ("Sec-Fetch-Site", "cross-site"),
    ],
)
def test_another_sites_refusal_names_header_and_setting(
    tmp_path: Path, header: str, found: str
) -> None:
    with gateway(settings_in(tmp_path, inference_port=9)) as client:
        answer = client.get("/v1/status", headers={header: found})
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert error["field"] == header.lower()
    assert f"{header} is '{found}'" in error["reason"]
    assert "call http://127.0.0.1:8000" in error["reason"]
    assert "gateway.api_key (FRESHET__GATEWAY__API_KEY)" in error["reason"]


def test_another_sites_page_cannot_post_events(
    shared_gateway: RunningGateway,
) -> None:
    for site, status in (("cross-site", 403), ("same-origin", 202), ("none", 202)):
        headers = {
            "Sec-Fetch-Site": site,
            "Content-Type": "text/plain",
        }  # no preflight asks for such a call
        assert (
            shared_gateway.client.post(
                "/v1/events", content=json.dumps(VIEW), headers=headers
            ).status_code
            == status
        )


@pytest.mark.parametrize("header", ["Host", "Origin"])
@pytest.mark.parametrize(
    "name",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "[::1", ""],
)
def test_a_page_that_rebinds_dns_is_refused(
    shared_gateway: RunningGateway, header: str, name: str
) -> None:
    """DNS rebinding: the browser sees one origin, but Host has the name that it called."""
    address = f"{name}:8000" if header == "Host" else f"http://{name}:8000"
    headers = {"Sec-Fetch-Site": "same-origin", header: address}
    answer = shared_gateway.client.get("/v1/status", headers=headers)
    assert answer.status_code == 403
    assert f"{header} is " in answer.json()["error"]["reason"]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "shop.localhost", "127.8.8.8"])
def test_loopback_names_are_answered(shared_gateway: RunningGateway, name: str) -> None:
    headers = {"Host": f"{name}:8000", "Origin": f"http://{name}:3000"}
    assert shared_gateway.client.get("/v1/status", headers=headers).status_code == 200


def test_calls_need_the_key_when_one_is_set(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, inference_port=9, api_key="secret-key")
    with gateway(settings) as client:
        for method, path in (
            ("POST", "/v1/events"),
            ("GET", "/v1/recommendations/ann"),
            ("GET", "/v1/status"),
            ("GET", "/metrics"),
        ):
            assert client.request(method, path).status_code == 401
            assert (
                client.request(method, path, headers={"Authorization": "Bearer wrong"}).status_code
                == 401
            )
        shown = {"Authorization": "Bearer secret-key"}
        assert client.post("/v1/events", json=VIEW, headers=shown).status_code == 202
        assert client.get("/v1/recommendations/ann", headers=shown).json()["items"] == []
        assert client.get("/").status_code == 200
        assert client.get("/healthz").status_code == 200
