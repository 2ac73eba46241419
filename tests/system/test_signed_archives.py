"""A real TorchServe that runs signed archives only, and attempts to get around that."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cron.backends.torchserve.server import TorchServe
from cron.cycle.signing_key import signing_key, trusted_keys
from cron.errors import ServerRefused
from tests.system.machine import until
from tests.system.torchserve import Running, changed_copy, running_torchserve
from trainer.archive import pack

MANIFEST = "MAR-INF/MANIFEST.json"
TOP = {"user_seq": ["i3"], "k": 3}
# Code of the archive that runs, in whatever place, leaves this file.
MARK = "import pathlib; pathlib.Path({mark!r}).touch()\n"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("signed")
    signing_key(folder)
    with running_torchserve(
        folder, options=["--trusted-keys", str(trusted_keys(folder))]
    ) as running:
        yield running


@pytest.fixture
def key(node: Running) -> str:
    return signing_key(node.var.parent)


def with_runtime(mar: Path, runtime: str) -> bytes:
    """Return the manifest with another runtime, which names the worker's start command."""
    with zipfile.ZipFile(mar) as archive:
        return json.dumps({**json.loads(archive.read(MANIFEST)), "runtime": runtime}).encode()


def test_a_signed_archive_answers_and_its_worker_may_start_again(
    server: TorchServe, node: Running, bundle: Path, key: str
) -> None:
    mar = pack(bundle=bundle, version=1, out=node.store, signing_key=key)
    server.register(1, mar.name)
    answer = server.predict(1, TOP, timeout_s=60)
    assert isinstance(answer, dict)
    assert len(answer["items"]) == 3
    server.set_live(1)
    server.register(2, pack(bundle=bundle, version=2, out=node.store, signing_key=key).name)
    server.unregister(2)
    server.register(2, pack(bundle=bundle, version=2, out=node.store, signing_key=key).name)


@pytest.mark.parametrize(
    "how", ["unsigned", "changed", "torchrun", "environment of its own", "another python"]
)
def test_nothing_else_runs(
    server: TorchServe, node: Running, bundle: Path, key: str, tmp_path: Path, how: str
) -> None:
    mark = tmp_path / "ran"
    evil = MARK.format(mark=str(mark)).encode()
    signed = pack(bundle=bundle, version=3, out=tmp_path, signing_key=key)
    before = num_refusals(node)
    if how == "unsigned":
        url = pack(bundle=bundle, version=3, out=node.store).name
    else:
        files = {
            "changed": {"recommend.py": evil, "json.py": evil, "sitecustomize.py": evil},
            "torchrun": {
                "recommend.py": evil,
                "model-config.yaml": b"parallelType: pp\nminWorkers: 1\nmaxWorkers: 1\n",
            },
            "environment of its own": {
                "recommend.py": evil,
                "model-config.yaml": b"useVenv: true\nminWorkers: 1\nmaxWorkers: 1\n",
            },
            "another python": {
                "recommend.py": evil,
                "sitecustomize.py": evil,
                MANIFEST: with_runtime(signed, "python3"),
            },
        }[how]
        url = changed_copy(signed, node.store / f"changed-{signed.name}", files).name
    with pytest.raises(ServerRefused):
        server.register(3, url)
    assert not mark.exists()
    until(lambda: num_refusals(node) > before, "the refusal in a log", limit_s=60)


def num_refusals(node: Running) -> int:
    """Return how many archives were refused, by the logs, which have it a little later."""
    logs = (file.read_text(errors="replace") for file in (node.var / "log").glob("*.log"))
    return sum(log.count("archive refused") for log in logs)
