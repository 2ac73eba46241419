"""What is checked before anything starts: ports, hosts, disk space, one instance."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.machine.preflight import NotReady, check_disk, check_ports, free_port, only_instance
from tests import ports


def test_a_port_in_use_is_reported_with_holder_and_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports.free_port()))  # one that no connection gets meanwhile
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            NotReady,
            match=rf"port {port} .*process {os.getpid()}.*FRESHET__GATEWAY__PORT",
        ):
            check_ports({"FRESHET__GATEWAY__PORT": ("127.0.0.1", port)})
        assert free_port(port, taken=()) != port
    check_ports({"FRESHET__GATEWAY__PORT": ("127.0.0.1", port)})
    assert free_port(port, taken=()) == port
    assert free_port(port, taken={port}) != port, (
        "a setting names it, though nothing listens on it yet"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_another_machines_host_is_not_reported_as_a_used_port(host: str) -> None:
    with pytest.raises(
        NotReady, match=rf"{host} is not an address of this machine .*FRESHET__GATEWAY__PORT"
    ):
        check_ports({"FRESHET__GATEWAY__PORT": (host, 18080)})


def test_one_port_twice_is_reported_while_it_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(NotReady, match="chosen twice"):
            check_ports(
                {"x": ("127.0.0.1", taken), "y": ("127.0.0.1", 18080), "z": ("127.0.0.1", 18080)}
            )


def test_an_ipv6_host_may_be_in_brackets() -> None:
    def outcome(host: str) -> str:
        try:
            check_ports({"x": (host, 0)})
        except NotReady as why:  # a machine without IPv6
            return str(why).replace(host, "host")
        return "free"

    assert outcome("[::1]") == outcome("::1")


def test_a_second_instance_is_refused_with_the_firsts_pid(tmp_path: Path) -> None:
    second = f"""from pathlib import Path
from deploy.machine.preflight import only_instance
with only_instance(Path({str(tmp_path)!r})):
    print("got it")"""
    with only_instance(tmp_path):
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
    with pytest.raises(NotReady, match="free some space"):
        check_disk(tmp_path, needed_bytes=10**18, is_first_start=True)
    later = check_disk(tmp_path, needed_bytes=10**18, is_first_start=False)
    assert later is not None
    assert "the live release is served" in later
    assert check_disk(tmp_path, needed_bytes=0, is_first_start=True) is None
