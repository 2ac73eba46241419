"""Prometheus, from Debian's `prometheus` or any other.

It reads deploy/prometheus.yml, with the targets of this machine, and deploy/alerts.yml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from deploy.servers.program import LOOK_S, Program, find_executable, new_folder

REMEDY = "apt-get install -y prometheus"
_DEPLOY = Path(__file__).resolve().parents[1]
CONFIG, ALERTS = _DEPLOY / "prometheus.yml", _DEPLOY / "alerts.yml"
GATEWAY_JOB = "freshet-gateway"


def prometheus_program(
    folder: Path,
    *,
    port: int = 9090,
    targets: Mapping[str, Sequence[str]] | None = None,
    scrape_s: int = 15,
    gateway_key: str | None = None,
) -> Program:
    """Write the configuration into the folder and return the program; raise MissingPart.

    `targets`, by job, replace those in deploy/prometheus.yml. The gateway's key is written to a
    file that only its owner can read.
    """
    executable = find_executable("prometheus", remedy=REMEDY)
    new_folder(folder)
    if gateway_key is not None:
        key = folder / "gateway.key"
        key.touch(mode=0o600)
        key.write_text(gateway_key, encoding="utf-8")
    config = folder / "prometheus.yml"
    config.write_text(
        configuration(targets or {}, scrape_s=scrape_s, has_key=gateway_key is not None),
        encoding="utf-8",
    )
    command = (
        executable,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--storage.tsdb.retention.time=30d",
    )
    return Program(name="prometheus", command=command, is_ready=lambda: _is_ready(port))


def configuration(targets: Mapping[str, Sequence[str]], *, scrape_s: int, has_key: bool) -> str:
    """Return deploy/prometheus.yml with other targets; raise KeyError for an unknown job."""
    import yaml

    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": f"{scrape_s}s", "evaluation_interval": f"{scrape_s}s"}
    config["rule_files"] = [str(ALERTS)]
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    for name, addresses in targets.items():
        jobs[name]["static_configs"] = [{"targets": list(addresses)}]
    if has_key:
        jobs[GATEWAY_JOB]["authorization"] = {"credentials_file": "gateway.key"}
    return yaml.safe_dump(config, sort_keys=False)


def _is_ready(port: int) -> bool:
    opener = build_opener(ProxyHandler({}))  # the address is loopback, so no proxy is used
    try:
        with opener.open(f"http://127.0.0.1:{port}/-/ready", timeout=LOOK_S) as answer:
            return int(answer.status) == 200
    except (URLError, OSError):
        return False
