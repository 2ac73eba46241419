"""Who is let in: keys of any letters, and what a refusal says of the header, the setting and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from cron.verbs import replay
from tests.component.gateway_process import gateway, settings_in

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
def test_a_key_of_any_letters_opens_and_nothing_like_it(
    tmp_path: Path, key: str, right: list[bytes], wrong: list[bytes]
) -> None:
    with gateway(settings_in(tmp_path, inference_port=9, api_key=key)) as client:
        assert [client.get("/v1/status", headers=bearer(one)).status_code for one in right] == [
            200
        ] * len(right)
        assert [client.get("/v1/status", headers=bearer(one)).status_code for one in wrong] == [
            401
        ] * len(wrong)
        with replay.Sender(str(client.base_url), key) as sender:
            sender.send([VIEW], say=print)
        assert sender.sent.accepted == 1


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Host", "shop.example"),
        ("Origin", "https://shop.example"),
        ("Sec-Fetch-Site", "cross-site"),
    ],
)
def test_a_refusal_of_another_site_names_the_header_the_setting_and_what_to_do(
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
