"""deploy/compose.yaml is valid and matches the native stack: ports, names, topics, settings.

No Docker engine is needed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from cron.backends.artifacts.s3.client import archives_url
from cron.project_root import PROJECT_ROOT
from cron.settings.file import load_settings
from cron.settings.keys import variable
from cron.urls.management_socket import management_socket
from cron.urls.torchserve import parse as parse_nodes
from deploy.servers import flink, kafka, postgres, redis
from deploy.stack import layout
from deploy.stack.join import SQL, Join
from deploy.stack.passwords import NAMES

DEPLOY = PROJECT_ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
CLUSTER = load_settings(DEPLOY / "cluster.toml", {}).settings
SERVICES: dict[str, dict[str, object]] = yaml.safe_load(COMPOSE.read_text())["services"]
ONE_SHOT = ("topics",)
SECRET = re.compile(r"PASSWORD|SECRET|API_KEY|ACCESS_KEY|MINIO_ROOT")


def test_it_is_valid_by_the_compose_specification() -> None:
    checked = subprocess.run(
        [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.compose-spec",
            str(COMPOSE),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("key", ["events", "histories", "artifacts", "ledger", "server"])
def test_each_store_is_that_of_the_cluster_file(key: str) -> None:
    """With this machine's published ports, the URLs are those of deploy/cluster.toml."""
    url = _environment("worker")[variable(f"store.{key}")]
    if key == "server":  # a node's management port names it; the door listens there
        url = re.sub(r"torchserve-[ab]:(8081|8091)", r"127.0.0.1:\1", url.partition("&socket=")[0])
    inside = {f"{name}:{port}": published for name in SERVICES for published, port in _ports(name)}
    kafka_inside, inside_out = _kafka_ports()
    inside[kafka_inside] = inside_out
    outside = re.sub(r"[a-z][a-z-]+:\d+", lambda found: f"127.0.0.1:{inside[found[0]]}", url)
    if key == "server":  # the inference ports are options of their own
        published = [
            next(outer for outer, inner in _ports(name) if inner == 8080)
            for name in ("torchserve-a", "torchserve-b")
        ]
        outside = re.sub(r"inference=[\d,]+", "inference=" + ",".join(map(str, published)), outside)
    assert outside == getattr(CLUSTER.store, key)


def test_worker_and_gateway_have_the_same_valid_settings() -> None:
    assert _environment("worker") == _environment("gateway") == _environment("topics")
    found = {
        name: value for name, value in _environment("worker").items() if name.startswith("FRESHET_")
    }
    loaded = load_settings(
        PROJECT_ROOT / found["FRESHET_CONFIG"], {**found, "FRESHET__GATEWAY__API_KEY": "k"}
    )
    assert loaded.settings.gateway.api_key == "k"


def test_the_published_ports_are_those_of_the_native_stack(tmp_path: Path) -> None:
    native = layout.layout(
        load_settings(DEPLOY / "cluster.toml", {variable("store.var"): str(tmp_path)}).settings
    )
    a, b = native.nodes
    expected = {
        "kafka": {native.kafka},
        "redis": {native.redis},
        "minio": {native.s3},
        "postgres": {native.postgres},
        "gateway": {native.gateway},
        "worker": {native.worker_metrics},
        "torchserve-a": {a.inference_port, layout.metrics_port(a)},
        "torchserve-b": {b.inference_port, layout.metrics_port(b)},
        "management": {a.management_port, b.management_port},
        "flink-jobmanager": {native.inner[layout.FLINK]},
        "prometheus": {native.inner[layout.PROMETHEUS]},
        "grafana": {3000},  # which has no package for the native stack
    }
    assert {
        name: {published for published, _ in _ports(name)} for name in SERVICES if _ports(name)
    } == expected
    ports = [port for several in expected.values() for port in several] + [
        native.inner["kafka-controller"]
    ]
    assert len(ports) == len(set(ports)), "two servers share a port"


def test_everything_is_published_on_loopback_alone() -> None:
    for name, service in SERVICES.items():
        for port in _list(service.get("ports")):
            assert port.startswith("127.0.0.1:"), f"{name} is open to other machines"


def test_no_secret_is_in_the_file() -> None:
    used: set[str] = set()
    for name in SERVICES:
        for key, value in _environment(name).items():
            found = re.fullmatch(
                r"\$\{(\w+):\?run python3 deploy/stack/passwords.py deploy/.env\}", value
            )
            assert bool(found) == bool(SECRET.search(key)), f"{name}: {key}"
            used |= {found[1]} if found else set()
    assert used == set(NAMES)
    assert "deploy/.env" in (PROJECT_ROOT / ".gitignore").read_text().split()
    assert "deploy/.env" in (PROJECT_ROOT / ".dockerignore").read_text().split()


def test_images_are_pinned_and_servers_restart_and_are_checked() -> None:
    for name, service in SERVICES.items():
        assert re.search(r":[^:/]*\d+\.?\d+", str(service["image"])), (
            f"{name}: {service['image']} has no version"
        )
        if name in ONE_SHOT:
            assert service["restart"] == "no"
        else:
            assert service["restart"] == "unless-stopped", name
            assert "healthcheck" in service or name == "flink-job", f"{name} has no health check"
        waits = service.get("depends_on", {})
        assert isinstance(waits, dict)
        for other, how in waits.items():
            assert how == {
                "condition": "service_completed_successfully"
                if other in ONE_SHOT
                else "service_healthy"
            }, f"{name}: {other}"


def test_lasting_data_is_in_volumes() -> None:
    volumes = yaml.safe_load(COMPOSE.read_text())["volumes"]
    mounted = {
        one.split(":")[0]
        for service in SERVICES.values()
        for one in _list(service.get("volumes"))
        if not one.startswith(".")
    }
    assert mounted == set(volumes)
    files = [
        one.split(":")[0]
        for service in SERVICES.values()
        for one in _list(service.get("volumes"))
        if one.startswith(".")
    ]
    assert [one for one in files if not (DEPLOY / one).exists()] == []


def test_versions_are_those_that_the_native_stack_runs() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka.VERSION}"
    dockerfile = (DEPLOY / "flink" / "Dockerfile").read_text()
    assert f"FROM flink:{flink.VERSION}-java{flink.JAVA}\n" in dockerfile
    group, artefact, version = flink.ARTEFACTS[0].split(":")
    assert f"{group.replace('.', '/')}/{artefact}/{version}/{artefact}-{version}.jar" in dockerfile


def test_servers_are_set_up_like_the_native_ones() -> None:
    inside = _environment("kafka")
    assert inside["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert "auto.create.topics.enable=false" in kafka._CONFIG
    words = str(SERVICES["redis"]["command"])
    for setting in ("appendonly yes", "maxmemory-policy noeviction"):
        assert setting in words
        assert setting in redis.CONFIG
    ledger = urlsplit(CLUSTER.store.ledger)
    assert (ledger.username, ledger.path) == (postgres.USER, f"/{postgres.DATABASE}")
    assert (_environment("postgres")["POSTGRES_USER"], _environment("postgres")["POSTGRES_DB"]) == (
        postgres.USER,
        postgres.DATABASE,
    )


def test_a_node_may_fetch_from_the_bucket_and_from_nowhere_else() -> None:
    for name in ("torchserve-a", "torchserve-b"):
        assert (
            f"--archives={archives_url(_environment('worker')[variable('store.artifacts')])}"
            in _list(SERVICES[name]["command"])
        )
        assert not _environment(name), "a node needs no password"


def test_only_worker_and_door_share_the_sockets_of_the_nodes() -> None:
    nodes = parse_nodes(_environment("worker")[variable("store.server")])
    mounts = {
        name: dict(mount.split(":")[:2] for mount in _list(service.get("volumes")))
        for name, service in SERVICES.items()
    }
    for name, node in zip(("torchserve-a", "torchserve-b"), nodes, strict=True):
        assert mounts[name][name] == "/srv/freshet/var"
        assert node.socket == Path(f"/run/{name}/{management_socket(Path(), 8081).name}")
        assert f"{node.management_port}={node.socket}" in _list(SERVICES["management"]["command"])
        others = {other for other, volumes in mounts.items() if volumes.get(name) == f"/run/{name}"}
        assert others == {"worker", "management"}


def test_prometheus_reads_the_same_jobs_under_the_services_names() -> None:
    native, inside = (
        yaml.safe_load((DEPLOY / name).read_text())
        for name in ("prometheus.yml", "prometheus.compose.yml")
    )
    targets = [
        target
        for job in inside["scrape_configs"]
        for target in job.pop("static_configs")[0]["targets"]
    ]
    reached = {f"{name}:{inner}" for name in SERVICES for _, inner in _ports(name)}
    assert set(targets) <= reached
    assert [inside["scrape_configs"][0].pop("authorization")] == [
        {"credentials_file": "/run/secrets/gateway-key"}
    ]
    for job in native["scrape_configs"]:
        del job["static_configs"]
    assert inside == native


def test_the_join_is_the_same() -> None:
    script = (DEPLOY / "flink" / "submit.sh").read_text()
    assert f"name={Join(bootstrap='', checkpoints=Path()).name}\n" in script
    for placeholder in set(re.findall(r"\$\{(\w+)\}", SQL.read_text())):
        assert f"s|\\${{{placeholder}}}|" in script, f"submit.sh does not fill in {placeholder}"
    assert (
        subprocess.run(["bash", "-n", str(DEPLOY / "flink" / "submit.sh")], check=False).returncode
        == 0
    )


def test_the_programs_of_the_containers_exist() -> None:
    commands = [_list(service.get("command")) for service in SERVICES.values()]
    checks = [
        _list(service["healthcheck"]["test"])  # type: ignore[index]
        for service in SERVICES.values()
        if isinstance(service.get("healthcheck"), dict)
    ]
    modules = {words[words.index("-m") + 1] for words in [*commands, *checks] if "-m" in words}
    assert {
        "cron",
        "gateway",
        "deploy.servers.torchserve",
        "deploy.servers.management_door",
        "deploy.stack.healthy",
        "deploy.servers.topics",
    } == modules
    assert all(find_spec(module) for module in modules)


def test_the_image_has_all_programs_and_no_root_user() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = {
        word
        for line in lines
        if line.startswith("COPY ")
        for word in line.split()[1:-1]
        if not word.startswith("--") and word != "/venv"
    }
    assert {
        "recommender",
        "handler",
        "trainer",
        "cron",
        "gateway",
        "deploy",
        "requirements.txt",
    } <= copied
    let_in = {
        line.removeprefix("!").rstrip("/")
        for line in (PROJECT_ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for path in copied:
        assert (PROJECT_ROOT / path).exists()
        assert path.split("/")[0] in let_in, f".dockerignore keeps {path} out"
    users = [line for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1] != "USER root"
    assert lines.index(users[-1]) > max(
        number for number, line in enumerate(lines) if line.startswith(("RUN", "COPY"))
    )


def _environment(name: str) -> dict[str, str]:
    environment = SERVICES[name].get("environment", {})
    assert isinstance(environment, dict)
    return {str(key): str(value) for key, value in environment.items()}


def _ports(name: str) -> list[tuple[int, int]]:
    """Return the (published, inner) ports of a service."""
    pairs = [port.split(":")[1:] for port in _list(SERVICES[name].get("ports"))]
    return [(int(published), int(inner)) for published, inner in pairs]


def _kafka_ports() -> tuple[str, int]:
    """Return Kafka's address among the containers, and its port on this machine."""
    advertised = dict(
        one.split("://") for one in _environment("kafka")["KAFKA_ADVERTISED_LISTENERS"].split(",")
    )
    return advertised["INSIDE"], int(advertised["OUTSIDE"].rpartition(":")[2])


def _list(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
