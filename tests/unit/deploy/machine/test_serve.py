"""What `make serve` would start, from its settings, and what it refuses; nothing is started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cron.settings.places import var_folder
from cron.settings.tree import GatewaySettings, Settings, StoreSettings
from cron.urls.torchserve import Node
from cron.urls.torchserve import parse as parse_nodes
from deploy.machine import reset, serve
from deploy.machine.commands import archive_options, commands
from deploy.machine.endpoints import endpoints
from deploy.machine.preflight import NotReady, check_ports, free_port
from deploy.stack import __main__ as stack

MOVED = Settings(
    gateway=GatewaySettings(port=18000),
    store=StoreSettings(server="torchserve://127.0.0.1:18081/films?inference=18080"),
)


def test_endpoints_follow_the_settings() -> None:
    where = endpoints(MOVED)
    assert where.gateway == "http://127.0.0.1:18000"
    assert where.predictions == "http://127.0.0.1:18080/predictions/films"
    assert where.management == "http://127.0.0.1:18081/models/films"
    assert where.metrics_port == 18082


def test_two_settings_with_one_port_are_reported() -> None:
    # one above the management's, which TorchServe's metrics use
    moved = Settings(gateway=GatewaySettings(port=8082))
    with pytest.raises(
        NotReady,
        match=r"port 8082 is chosen twice: by FRESHET__GATEWAY__PORT and by .*plus one",
    ):
        check_ports(serve._addresses(moved, endpoints(moved)))
    with pytest.raises(NotReady, match="chosen twice"):
        check_ports({"x": ("0.0.0.0", 18080), "y": ("127.0.0.1", 18080)})
    port = free_port(18080, taken=())
    check_ports({"x": ("127.0.0.2", port), "y": ("127.0.0.1", port)})


def test_a_torchserve_that_others_could_manage_is_not_started() -> None:
    open_one = Settings(store=StoreSettings(server="torchserve://10.0.0.7:8081/rec"))
    with pytest.raises(NotReady, match="add &keys=PATH"):
        serve._check_management(_node(open_one))
    keyed = Settings(
        store=StoreSettings(server="torchserve://10.0.0.7:8081/rec?keys=/srv/key_file.json")
    )
    serve._check_management(_node(keyed))
    started = commands(keyed, _node(keyed), endpoints(keyed))
    assert {"--remote", "--tokens"} <= set(started["torchserve"])
    assert "management" not in started, "its own management listens there"


def test_a_key_file_that_torchserve_does_not_write_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "torchserve" / "key_file.json"
    for file in (own, tmp_path / "x" / ".." / "torchserve" / "key_file.json"):
        serve._check_keys(endpoints(_with_keys(file)), tmp_path)
    serve._check_keys(endpoints(Settings()), tmp_path)
    with pytest.raises(NotReady, match=f"keys=/srv/other.json in FRESHET__STORE__SERVER: .* {own}"):
        serve._check_keys(endpoints(_with_keys(Path("/srv/other.json"))), tmp_path)


def test_the_door_forwards_to_the_socket_of_torchserve() -> None:
    moved = Settings(store=StoreSettings(var="/srv/var", server="torchserve://127.0.0.1:9081/rec"))
    started = commands(moved, _node(moved), endpoints(moved))
    assert started["torchserve"][-2:] == ["--socket", "/srv/var/management-9081.sock"]
    assert started["management"][-1] == "9081=/srv/var/management-9081.sock"


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("file:////srv/archives", ["--model-store", "/srv/archives"]),
        (
            "s3://models/a?endpoint=http://h:9000",
            ["--model-store", "/srv/var/model-store", "--archives", "http://h:9000/models/a/"],
        ),
        ("s3://models/a?endpoint=http://h:9000&shared=/srv/store", ["--model-store", "/srv/store"]),
    ],
)
def test_torchserve_loads_from_the_store_of_archives(url: str, options: list[str]) -> None:
    assert archive_options(Settings(store=StoreSettings(artifacts=url, var="/srv/var"))) == options


def test_nodes_that_serve_does_not_start_are_named() -> None:
    several = Settings(
        store=StoreSettings(
            server="torchserve://one:8081,two:8181,[::1]:8281/rec?inference=8080,8180,8280"
        )
    )
    assert (serve.other_nodes(Settings()), serve.other_nodes(several)) == (
        "",
        "two:8181, [::1]:8281",
    )


@pytest.mark.parametrize(
    ("command", "words"),
    [(serve.main, []), (reset.main, ["--confirm", "yes"]), (stack.main, ["up"])],
    ids=["serve", "reset", "stack"],
)
def test_an_unusable_folder_is_one_sentence(
    command: Callable[[list[str]], int],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FRESHET__STORE__VAR", str(tmp_path / "file" / "var"))
    monkeypatch.setenv("FRESHET__STORE__ARTIFACTS", f"file:///{tmp_path}/archives")
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "rec-1-abc.mar").touch()
    if words == ["up"]:  # whose settings name a bucket
        monkeypatch.delenv("FRESHET__STORE__ARTIFACTS")
    assert command(words) == 1
    assert f"{tmp_path}/file/var" in capsys.readouterr().err
    assert (tmp_path / "archives" / "rec-1-abc.mar").exists()


def test_an_impossible_name_of_data_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.main(["--data", "x" * 300]) == 1
    assert "File name too long" in capsys.readouterr().err


def _node(settings: Settings) -> Node:
    return parse_nodes(settings.store.server, var=var_folder(settings))[0]


def _with_keys(file: Path) -> Settings:
    return Settings(
        store=StoreSettings(server=f"torchserve://127.0.0.1:8081/rec?inference=8080&keys={file}")
    )
