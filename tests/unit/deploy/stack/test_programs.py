"""What `make stack` would start, from its settings; nothing is started here."""

from __future__ import annotations

from pathlib import Path

import pytest

from cron.project_root import PROJECT_ROOT
from cron.settings.file import load_settings
from deploy.machine.preflight import NotReady
from deploy.servers import flink, s3
from deploy.stack.layout import choose_inner, layout
from deploy.stack.programs import builders
from tests.unit.deploy.executables import executable


def test_prometheus_gets_the_gateways_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(executable(tmp_path / "bin" / "prometheus").parent))
    settings = load_settings(
        PROJECT_ROOT / "deploy" / "cluster.toml",
        {"FRESHET__STORE__VAR": str(tmp_path), "FRESHET__GATEWAY__API_KEY": "hush"},
    ).settings
    place = layout(settings)
    builders(settings, place, secrets={})["prometheus"]()
    assert (place.home / "prometheus" / "gateway.key").read_text() == "hush", (
        "without it the gateway refuses its metrics, and the alert fires"
    )


def test_the_s3_server_logs_to_its_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(executable(tmp_path / "bin" / "weed").parent))
    command = s3.s3_program(tmp_path).command
    assert "-logtostderr=true" in command[: command.index("server")], (
        "not into files of 1.8 GB in /tmp"
    )


def test_inner_ports_avoid_the_ports_of_settings(tmp_path: Path) -> None:
    usual = choose_inner(tmp_path, taken=())
    moved = choose_inner(tmp_path, taken={usual["prometheus"]})
    assert moved["prometheus"] != usual["prometheus"]
    assert len(set(moved.values())) == len(moved)


@pytest.mark.parametrize(
    ("setting", "url", "sentence"),
    [
        (
            "SERVER",
            "torchserve://localhost:81,localhost:91,localhost:101/rec?inference=80,90,100",
            "at most 2 nodes",
        ),
        ("SERVER", "torchserve://127.0.0.1:8081/rec?inference=8080&keys=/k.json", "without tokens"),
        ("EVENTS", "kafka://127.0.0.1:9092,127.0.0.1:9192/events", "one Kafka"),
    ],
)
def test_what_make_stack_can_not_start_is_reported(setting: str, url: str, sentence: str) -> None:
    settings = load_settings(
        PROJECT_ROOT / "deploy" / "cluster.toml", {f"FRESHET__STORE__{setting}": url}
    ).settings
    with pytest.raises(NotReady, match=sentence):
        layout(settings)


def test_a_network_too_slow_for_flinks_libraries_is_reported(tmp_path: Path) -> None:
    with pytest.raises(flink.FlinkFailed, match="did not arrive within 0 s"):
        flink._fetch_libraries(tmp_path / "flink", limit_s=0.001)
    assert not list(tmp_path.iterdir())
