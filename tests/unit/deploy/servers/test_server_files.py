"""Servers find their files in a checkout whose path has spaces and letters beyond ASCII."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from deploy.servers import flink, kafka, redis
from deploy.servers.java_properties import escape_value
from deploy.servers.torchserve.command import Ports, Server, command
from deploy.stack.passwords import make_passwords, read_passwords, write_passwords
from tests.unit.deploy.executables import call_of, executable

ODD = "Ünï cödé \U0001f4a7 100%"


def read_by_java(line: str) -> str:
    """Return what `java.util.Properties` makes of a value; its file is Latin-1."""
    text = line.encode().decode("latin-1")
    units = re.sub(
        r"\\u([0-9a-f]{4})|\\(.)",
        lambda found: chr(int(found[1], 16)) if found[1] else found[2],
        text,
    )
    return units.encode("utf-16", "surrogatepass").decode("utf-16")


@pytest.mark.parametrize("value", [ODD, "plain/path", r"C:\new\udder", "http://[::1]:8080"])
def test_java_reads_back_the_value_that_was_written(value: str) -> None:
    assert read_by_java(escape_value(value)) == value


def test_torchserve_finds_its_files_under_any_path(tmp_path: Path) -> None:
    folder = tmp_path / ODD
    argv, env = command(Server(model_store=folder / "archives", var=folder / "var", ports=Ports()))
    lines = dict(
        line.partition("=")[::2]
        for line in Path(argv[argv.index("-f") + 1]).read_text().splitlines()
    )
    assert Path(read_by_java(lines["metrics_config"])).is_file(), "without it no model is loaded"
    assert Path(read_by_java(lines["model_store"])).is_dir()
    assert env["LC_ALL"] == "C.UTF-8", (
        "otherwise Java can't open such a file where a script has set LC_ALL=C"
    )


def test_kafka_keeps_its_data_in_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "parts" / f"kafka-{kafka.VERSION}").mkdir(parents=True)  # fetched before
    (tmp_path / ODD / "data").mkdir(parents=True)
    (tmp_path / ODD / "data" / "meta.properties").touch()  # formatted before
    kafka.kafka_program(tmp_path / ODD, parts=tmp_path / "parts")
    lines = dict(
        line.partition("=")[::2]
        for line in (tmp_path / ODD / "server.properties").read_text().splitlines()
    )
    assert read_by_java(lines["log.dirs"]) == str(tmp_path / ODD / "data")


def test_redis_reads_the_folder_as_one_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(executable(tmp_path / "bin" / "redis-server").parent))
    redis.redis_program(tmp_path / ODD)
    assert f'dir "{tmp_path / ODD}"' in (tmp_path / ODD / "redis.conf").read_text().splitlines()


def test_flinks_sql_client_gets_a_file_name_without_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = executable(tmp_path / "jdk" / "bin" / "java")
    (tmp_path / "jdk" / "release").write_text(f'JAVA_VERSION="{flink.JAVA}.0.1"\n')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    cluster = flink.Cluster(folder=tmp_path / ODD, parts=tmp_path / "parts")
    for fetched in (f"flink-{flink.VERSION}", f"flink-jars-{flink.VERSION}"):
        (cluster.parts / fetched).mkdir(parents=True)
    cluster.folder.mkdir()
    flink.run_sql(cluster, cluster.folder / "join.sql", limit_s=60)
    cwd, *arguments = call_of(java)
    assert (arguments[arguments.index("-f") + 1], Path(cwd)) == ("join.sql", cluster.folder), (
        "in its folder, since a space ends a URI"
    )


def test_a_shell_reads_the_secrets_of_any_checkout(tmp_path: Path) -> None:
    passwords = {"FRESHET_CONFIG": f"/home/{ODD}/o'neill/cluster.toml", "PGPASSWORD": "Ab-9_"}
    write_passwords(tmp_path / "secrets.env", passwords)
    assert read_passwords(tmp_path / "secrets.env") == passwords
    sourced = subprocess.run(
        [
            "sh",
            "-c",
            'set -a; . "$0"; set +a; printenv FRESHET_CONFIG PGPASSWORD',
            str(tmp_path / "secrets.env"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert sourced.stdout.splitlines() == list(passwords.values())
    (tmp_path / "empty.env").write_text("PGPASSWORD=\nGRAFANA_PASSWORD=kept\n")
    made = make_passwords(tmp_path / "empty.env")
    assert made["PGPASSWORD"], "compose refuses an empty one, and says how to make it"
    assert made["GRAFANA_PASSWORD"] == "kept"
    (tmp_path / "own.env").write_text("GRAFANA_PASSWORD=it's two words\n")
    assert read_passwords(tmp_path / "own.env") == {"GRAFANA_PASSWORD": "it's two words"}
    assert "PGPASSWORD=Ab-9_\n" in (tmp_path / "secrets.env").read_text(), (
        "a value is quoted only if it needs it"
    )
