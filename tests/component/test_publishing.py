"""From candidate to release: the order of puts, refused archives, and the manifest."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cron.cycle import stages
from cron.cycle.cycle import run_cycle
from cron.cycle.signing_key import trusted_keys
from cron.errors import SettingsError, Unavailable
from cron.ledger import release_rows, run_rows
from cron.lineage import Lease
from cron.services import Services
from cron.settings.file import load_settings
from tests.component.house import HookedArtifacts
from tests.component.switchable_ledger import SwitchableLedger
from tests.workshop import HereLauncher, event_records, live_version, send, server_of
from trainer.config import TrainConfig
from trainer.signature import verify_folder


def hooked_services(services: Services, **hooks: Callable[[str], object]) -> Services:
    """Return services with an artifact store that calls the hooks of `HookedArtifacts`."""
    return replace(services, artifacts=HookedArtifacts(services.artifacts, **hooks))


def kinds(names: list[str]) -> list[str]:
    return [kind(name) for name in names]


def kind(name: str) -> str:
    return "archive" if name.endswith(".mar") else name.partition("/")[0]


def test_store_readers_only_see_complete_versions(services: Services, lease: Lease) -> None:
    send(services, event_records(401, 480))
    put: list[str] = []

    def look(name: str) -> None:
        if kind(name) == "journal":
            return
        put.append(name)
        assert release_rows.archive_manifest(services.ledger, 2) is None
        assert [found.version for found in services.server.versions()] == [0, 1]

    assert run_cycle(hooked_services(services, after_put=look), lease).outcome == "published"
    assert kinds(put) == ["archive", "states", "manifests"]


@pytest.mark.parametrize(
    "damage",
    [lambda found: found[:-1], lambda found: found + b" ", lambda found: b""],
    ids=["cut", "longer", "empty"],
)
def test_a_damaged_archive_is_not_registered(
    services: Services, lease: Lease, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    send(services, event_records(401, 480))
    asked: list[int] = []
    server = server_of(services)
    server.register = lambda version, url: asked.append(version)  # type: ignore[method-assign]

    def spoil(name: str) -> None:
        if name.startswith("manifests/"):
            (mar,) = (tmp_path / "workshop" / "archives").glob("rec-2-*.mar")
            mar.write_bytes(damage(mar.read_bytes()))

    run = run_cycle(hooked_services(services, after_put=spoil), lease)
    assert (run.outcome, run.reasons[-1].name) == ("failed", "ArtifactCorrupt")
    assert (asked, live_version(services)) == ([], 1)


@pytest.mark.parametrize("missing", ["archive", "states", "manifests"])
def test_a_store_lost_during_a_put_costs_only_time(
    services: Services, lease: Lease, missing: str
) -> None:
    send(services, event_records(401, 480))
    tried: list[str] = []

    def refuse(name: str) -> None:
        if kinds([name]) == [missing]:
            tried.append(name)
            raise Unavailable("the artifact store", where="here", why="switched off by the test")

    for _ in range(2):
        with pytest.raises(Unavailable):
            run_cycle(hooked_services(services, before_put=refuse), lease)
    left_open = run_rows.open_run(services.ledger)
    assert left_open is not None
    assert (
        left_open.version,
        live_version(services),
        release_rows.archive_manifest(services.ledger, 2),
    ) == (2, 1, None)
    assert services.server.predict(None, {"user_seq": [], "k": 3}, timeout_s=9)
    run = run_cycle(services, lease)
    assert (run.run_id, run.outcome, run.version, live_version(services)) == (
        left_open.run_id,
        "published",
        2,
        2,
    )
    assert isinstance(services.launcher, HereLauncher)
    assert services.launcher.num_trainings == 1
    assert tried[0] == tried[1]
    assert tried[0] in services.artifacts.names(), "the bytes of the first try"


def test_an_archive_is_signed_and_a_damaged_one_is_not_put(
    services: Services, lease: Lease, tmp_path: Path
) -> None:
    signing = replace(
        services,
        settings=replace(
            services.settings, release=replace(services.settings.release, sign_archives=True)
        ),
    )
    send(signing, event_records(401, 480))
    run = run_cycle(signing, lease)
    manifest = release_rows.release(services.ledger, 2).manifest
    mar = stages.folder_of(services.paths, run) / "archive" / manifest.archive
    with zipfile.ZipFile(mar) as archive:
        archive.extractall(tmp_path / "model")
    verify_folder(tmp_path / "model", trusted_keys(services.paths.var).read_text())
    mar.write_bytes(mar.read_bytes()[:-1])
    with pytest.raises(stages.FilesGone, match="was damaged since it was made"):
        stages.store_archive(services.artifacts, stages.folder_of(services.paths, run), manifest)


class LedgerLosingLauncher(HereLauncher):
    """A trainer after which the ledger takes `writes_left` more writes; the first is its cost."""

    def __init__(self, texts: Path, ledger: SwitchableLedger, writes_left: int) -> None:
        super().__init__(texts)
        self._ledger, self._writes_left = ledger, writes_left

    def train(self, snapshot: Path, config: TrainConfig, out: Path, *, limit_s: float) -> Path:
        candidate = super().train(snapshot, config, out, limit_s=limit_s)
        self._ledger.writes_left = self._writes_left
        return candidate


@pytest.mark.parametrize("is_noted", [False, True], ids=["before it is noted", "after"])
def test_a_manifest_names_the_settings_that_trained(
    services: Services, lease: Lease, is_noted: bool
) -> None:
    send(services, event_records(401, 480))
    ledger = SwitchableLedger(services.ledger.engine)
    launcher = LedgerLosingLauncher(services.paths.texts, ledger, writes_left=2 if is_noted else 0)
    with pytest.raises(Unavailable):
        run_cycle(replace(services, ledger=ledger, launcher=launcher), lease)
    open_run = run_rows.open_run(services.ledger)
    assert open_run is not None
    assert ("train" in open_run.seconds) == is_noted
    train = services.settings.train
    wider = replace(train, update_epochs=7, model=replace(train.model, dim=2 * train.model.dim))
    changed = replace(services, settings=replace(services.settings, train=wider))
    assert run_cycle(changed, lease).outcome == "published"
    config = release_rows.release(services.ledger, 2).manifest.config
    assert (config["model"], config["update_epochs"]) == (
        release_rows.release(services.ledger, 1).manifest.config["model"],
        train.update_epochs,
    )
    run = run_cycle(changed, lease)
    assert (run.reasons[0].name, run.outcome) == ("settings_changed", "published")


def test_as_many_probes_can_be_asked_for_as_a_candidate_brings(services: Services) -> None:
    (golden, *_) = sorted(services.paths.runs.glob("*/candidate/golden.json"), reverse=True)
    num_golden = len(json.loads(golden.read_text()))
    assert (
        load_settings(None, {"FRESHET__GATE__NUM_PROBES": str(num_golden)}).settings.gate.num_probes
        == num_golden
    )
    with pytest.raises(SettingsError, match="as many as a candidate brings"):
        load_settings(None, {"FRESHET__GATE__NUM_PROBES": str(num_golden + 1)})
