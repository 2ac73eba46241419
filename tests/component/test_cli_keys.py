"""The verb `keys`: what it prints and stores, and what it refuses."""

from __future__ import annotations

import json

import pytest

from cron import wiring
from cron.__main__ import main
from cron.api_keys import digest_of
from cron.ledger import key_rows
from cron.settings.tree import Settings
from tests.component.command_line import ledger_file


def test_a_key_is_shown_once_and_stored_as_its_digest(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    add = "keys add --role browser --name web --origin https://Shop.example/ --origin http://a:81"
    assert main(add.split()) == 0
    output = capsys.readouterr()
    key = output.out.strip()
    assert key.startswith("freshet_")
    assert "only time" in output.err
    (stored,) = key_rows.every(wiring.open_ledger(settings.store.ledger))
    assert stored.digest == digest_of(key.encode())
    assert stored.origins == ("https://shop.example", "http://a:81")
    folder = ledger_file(settings).parent
    secret = key.removeprefix("freshet_").encode()
    assert all(secret not in file.read_bytes() for file in folder.glob("ledger.db*"))
    assert main(["keys", "list"]) == 0
    assert secret.decode() not in capsys.readouterr().out


def test_the_list_has_revoked_keys_too(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "list"]) == 0
    assert "no key yet" in capsys.readouterr().out
    add = "keys add --name back --role write --role read --role read"
    assert main(add.split()) == 0
    assert main(["keys", "revoke", "back"]) == 0
    capsys.readouterr()
    assert main(["keys", "list", "--json"]) == 0
    (key,) = json.loads(capsys.readouterr().out)
    assert (key["name"], key["roles"], key["origins"]) == ("back", ["write", "read"], [])
    assert key["revoked_at"] is not None
    assert main(["keys", "list"]) == 0
    assert "write, read" in capsys.readouterr().out
    assert main(["keys", "revoke", "front"]) == 1
    assert capsys.readouterr().err == "no key is named 'front'; existing keys: back\n"
    assert main(["keys", "add", "--name", "back", "--role", "read"]) == 1


@pytest.mark.parametrize(
    "line",
    [
        "keys",
        "keys add --name web",
        "keys add --role read",
        "keys add --name web --role admin",
        "keys add --name web --role browser",
        "keys add --name web --role browser --role write --origin https://shop.example",
        "keys add --name web --role read --origin https://shop.example",
        "keys add --name web --role browser --origin *",
        f"keys add --name {'x' * 65} --role read",
        "keys add --name gateway.api_key --role operate",
        "keys revoke",
    ],
)
def test_wrong_use_is_2(settings: Settings, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(line.split())
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err
    assert key_rows.every(wiring.open_ledger(settings.store.ledger)) == ()
