"""The work of each step of a cycle: values and files in, a value for the ledger out.

`cron.cycle.cycle` has their order and outcomes. Every step may be interrupted anywhere and
repeated. Names of artifacts contain version and digest, so a repeated `put` writes the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from cron.cycle import release_files
from cron.cycle.list_evaluation import list_evidence
from cron.cycle.probe import Golden
from cron.cycle.run_plan import RunPlan, compared_panels
from cron.cycle.signing_key import signing_key
from cron.cycle.steps import Packed, Trained, stored_value
from cron.errors import ArtifactCorrupt, ArtifactMissing
from cron.gate.offline_verdict import offline_verdict
from cron.gate.quality_rows import quality_rows
from cron.gate.verdict import Verdict
from cron.gate.wording import Against
from cron.ledger import placement_rows, release_rows
from cron.ledger.ledger import Ledger
from cron.lineage import Manifest, Quality, Release, Run, manifest_to_json
from cron.pictures.thumbnail_files import ThumbnailFiles
from cron.ports import ArtifactStore
from cron.services import Paths, Services
from cron.snapshot.item_pictures import PictureSource
from cron.snapshot.judged import need_of
from cron.snapshot.limits import Limits
from cron.snapshot.panel import Panel
from cron.snapshot.panel_key import panel_by
from cron.snapshot.request import JudgedLists, SnapshotRequest
from cron.snapshot.shift_review import unreviewed_part
from cron.snapshot.snapshot import SnapshotInfo, build_snapshot
from recommender.arrays.bases import CONTENT, base_names
from recommender.config import BUNDLE_FORMAT
from trainer.archive import code_digest, pack
from trainer.codec import decode
from trainer.machine.durable_files import sha256_of
from trainer.report import Report, read_report


class FilesGone(Exception):
    """Files of a run that a crash left open are missing or damaged; the run cannot continue."""


def make_snapshot(services: Services, run: Run, plan: RunPlan) -> SnapshotInfo:
    """Write the snapshot, with links to the bundles that the candidate is compared with."""
    ledger, train, gate = services.ledger, services.settings.train, services.settings.gate
    artifacts, bundles = services.artifacts, services.paths.bundles
    live = _release(ledger, run.supersedes)
    anchor = _release(ledger, plan.anchor if plan.anchor != run.supersedes else None)
    request = SnapshotRequest(
        mode=plan.mode,
        target_range=plan.counted_range,
        fresh_range=plan.fresh_range,
        items_through=plan.items_through,
        items_after=live.manifest.items_through if live is not None and plan.parent else 0,
        shift_range=unreviewed_part(ledger, plan.fresh_range),
        older_before=plan.older_before,
        panel=panel_by(ledger, share=plan.panel_share, key=plan.panel_key),
        judged=_judged_panel(ledger, plan),
        excluded=plan.excluded,
        replay_ratio=train.replay_ratio,
        max_history=train.model.max_history,
        seed=run.run_id,
        need=need_of(gate),
        limits=Limits(user_share=gate.max_user_share, item_share=gate.max_item_share),
        positive_types=train.positive_types,
        positive_rating=train.positive_rating,
        live=_bundle_of(artifacts, bundles, live),
        anchor=_bundle_of(artifacts, bundles, anchor),
        state=release_files.state_of(artifacts, bundles, live.manifest) if live else None,
        live_version=live.version if live is not None else None,
        anchor_version=anchor.version if anchor is not None else None,
        reward=services.settings.reward if train.policy_gradient.weight > 0 else None,
        judged_lists=_judged_lists(services, run),
        pictures_after=plan.pictures_after if train.pictures.reads_pictures else None,
    )
    files = ThumbnailFiles(artifacts, services.paths.pictures)
    return build_snapshot(
        services.journal,
        request,
        folder_of(services.paths, run) / "snapshot",
        pictures=PictureSource(ledger=ledger, files=files),
    )


def train(services: Services, run: Run) -> Trained:
    """Have the trainer make the candidate."""
    folder = folder_of(services.paths, run)
    if not (folder / "snapshot" / "manifest.json").is_file():
        raise FilesGone(f"the snapshot of run {run.run_id} is gone")
    candidate = services.launcher.train(
        folder / "snapshot",
        services.settings.train,
        folder / "candidate",
        limit_s=services.settings.worker.train_limit_s,
    )
    return Trained(report_sha256=sha256_of(candidate / "report.json"))


def judge(services: Services, run: Run, plan: RunPlan) -> Verdict:
    """Return the offline verdict."""
    ledger, gate = services.ledger, services.settings.gate
    report = _report(services.paths, ledger, run)
    live, anchor = _release(ledger, run.supersedes), _release(ledger, plan.anchor)
    learners = {"live": live, "anchor": anchor}
    against = Against(
        live=run.supersedes,
        anchor=plan.anchor,
        live_is_baseline=live is not None and live.manifest.mode == "baseline",
        list_learners=frozenset(name for name, one in learners.items() if _learns_lists(one)),
    )
    folder = folder_of(services.paths, run)
    lists = list_evidence(folder / "snapshot", _candidate(services.paths, ledger, run), report)
    users = _comparable_users(ledger, run, plan, report)
    return offline_verdict(report, gate, against, users=users, lists=lists)


def quality_of(paths: Paths, ledger: Ledger, run: Run) -> list[Quality]:
    """Return the quality metrics in the candidate's report."""
    return quality_rows(_report(paths, ledger, run), run, at=ledger.now())


def archive(
    services: Services, run: Run, plan: RunPlan, *, version: int, metrics: Mapping[str, float]
) -> Packed:
    """Pack the bundle as a .mar and return its manifest."""
    paths, ledger = services.paths, services.ledger
    candidate, out = _candidate(paths, ledger, run), folder_of(paths, run) / "archive"
    state = candidate / release_files.STATE
    shutil.rmtree(out, ignore_errors=True)
    mar = _pack(services, candidate / "bundle", version, out)
    report = _report(paths, ledger, run)
    # the configuration of the training; the settings may have changed since
    config = folder_of(paths, run) / "config.json"
    manifest = Manifest(
        version=version,
        mode=report.mode,
        run_id=run.run_id,
        parent=plan.parent,
        anchor=version if run.mode == "full" else plan.anchor,
        supersedes=run.supersedes,
        target_range=plan.target_range,
        trained_through=plan.trained_through,
        items_through=plan.items_through,
        pictures_through=plan.pictures_through,
        excluded=plan.excluded,
        panel_share=plan.panel_share,
        panel_key=plan.panel_key,
        archive=mar.name,
        archive_sha256=sha256_of(mar),
        state=f"states/{mar.stem}.safetensors" if state.is_file() else None,
        state_sha256=sha256_of(state) if state.is_file() else None,
        bundle_digest=report.bundle_digest,
        data_digest=report.data_digest,
        code_digest=code_digest(),
        created_at=ledger.now(),
        config=decode(config.read_text(encoding="utf-8"), dict[str, object]),
        metrics=metrics,
        libraries=report.versions,
        num_items=report.num_items,
        rating_scale=report.rating_scale,
        popular=report.popular,
        bundle_format=BUNDLE_FORMAT,
        bases=_bases_beside(services, candidate),
    )
    return Packed(manifest=manifest_to_json(manifest))


def store_archive(artifacts: ArtifactStore, folder: Path, manifest: Manifest) -> None:
    """Store bases and layers, the .mar, the optimiser state, and last the manifest.

    So a reader never sees an incomplete version. `folder` is the run's.
    """
    mar, state = folder / "archive" / manifest.archive, folder / "candidate" / release_files.STATE
    _check_file(mar, manifest.archive_sha256)
    if manifest.state is not None:
        _check_file(state, manifest.state_sha256)
    text = folder / "archive" / "manifest.json"
    text.write_text(manifest_to_json(manifest), encoding="utf-8")
    for digest in manifest.bases:
        _put_base(artifacts, folder / "candidate", digest)
    artifacts.put(manifest.archive, mar)
    if manifest.state is not None:
        artifacts.put(manifest.state, state)
    artifacts.put(release_files.manifest_name(manifest), text)


def golden(paths: Paths, ledger: Ledger, run: Run, *, limit: int) -> list[Golden]:
    """Return the candidate's newest golden requests with their answers, at most `limit`."""
    pairs = decode(
        (_candidate(paths, ledger, run) / "golden.json").read_text(encoding="utf-8"), list[Golden]
    )
    return pairs[-limit:]


def folder_of(paths: Paths, run: Run) -> Path:
    """Return the folder of a run's files."""
    return paths.runs / str(run.run_id)


def _release(ledger: Ledger, version: int | None) -> Release | None:
    return release_rows.release(ledger, version) if version is not None else None


def _learns_lists(release: Release | None) -> bool:
    """Return whether a release was trained on what lists led to, by its configuration."""
    if release is None:
        return False
    config = release.manifest.config.get("policy_gradient")
    return isinstance(config, dict) and config.get("weight", 0) > 0


def _judged_lists(services: Services, run: Run) -> JudgedLists | None:
    """Return which lists the candidate's are compared on; None without a live release."""
    settings = services.settings
    off_policy = settings.gate.off_policy
    if off_policy.mode == "off" or run.supersedes is None:
        return None
    return JudgedLists(
        since=run.started_at - timedelta(days=off_policy.days),
        max_lists=off_policy.max_lists,
        reward=settings.reward,
        placements={**settings.placements, **placement_rows.every(services.ledger)},
    )


def _bundle_of(artifacts: ArtifactStore, bundles: Path, release: Release | None) -> Path | None:
    if release is None:
        return None
    return release_files.bundle_of(artifacts, bundles, release.manifest)


def _pack(services: Services, bundle: Path, version: int, out: Path) -> Path:
    release = services.settings.release
    store = services.artifacts.folder() if release.share_bases else None
    return pack(
        bundle=bundle,
        version=version,
        out=out,
        signing_key=signing_key(services.paths.var) if release.sign_archives else None,
        beside=store / CONTENT if store is not None else None,
    )


def _bases_beside(services: Services, candidate: Path) -> tuple[str, ...]:
    """Return the digests of the bases and layers of the state, and of those not packed."""
    is_packed = services.artifacts.folder() is None or not services.settings.release.share_bases
    bundle = () if is_packed else base_names(candidate / "bundle")
    return tuple(sorted({*bundle, *base_names((candidate / release_files.STATE).parent)}))


def _put_base(artifacts: ArtifactStore, candidate: Path, digest: str) -> None:
    """Store a base or layer, or only verify it if an earlier release has stored it."""
    name = release_files.base_name(digest)
    if artifacts.folder() is not None:  # a bucket's `put` compares; its `url` would download
        try:
            artifacts.url(name, sha256=digest)
        except ArtifactCorrupt:
            artifacts.delete(name)
        except ArtifactMissing:
            pass
        else:
            return
    files = [candidate / part / CONTENT / digest for part in ("bundle", "state")]
    file = next((one for one in files if one.is_file()), files[0])
    _check_file(file, digest)
    artifacts.put(name, file)


def _check_file(file: Path, sha256: str | None) -> None:
    """Raise FilesGone unless the file has this sha256; None accepts any content."""
    if not file.is_file():
        raise FilesGone(f"{file} is gone")
    if sha256 is not None and sha256_of(file) != sha256:
        raise FilesGone(f"{file} was damaged since it was made")


def _comparable_users(ledger: Ledger, run: Run, plan: RunPlan, report: Report) -> frozenset[str]:
    """Return the report's users on whom neither candidate nor compared models were trained."""
    panels = (_judged_panel(ledger, plan), *compared_panels(ledger, run.supersedes, plan.anchor))
    users: set[str] = set()
    for evaluation in (report.panel, report.older):
        if evaluation is not None:
            users.update(evaluation.user_ids)
    return frozenset(user for user in users if all(panel.holds(user) for panel in panels))


def _judged_panel(ledger: Ledger, plan: RunPlan) -> Panel:
    if plan.judged_share is None:
        return panel_by(ledger, share=plan.panel_share, key=plan.panel_key)
    return panel_by(ledger, share=plan.judged_share, key=plan.judged_key)


def _candidate(paths: Paths, ledger: Ledger, run: Run) -> Path:
    """Return the folder of the candidate that the run's training recorded; raise FilesGone.

    After another host trained the run, an older candidate of this host may be left.
    """
    candidate = folder_of(paths, run) / "candidate"
    report = candidate / "report.json"
    trained = stored_value(ledger, run.run_id, "train", Trained)
    is_there = report.is_file()
    if not is_there or (trained is not None and sha256_of(report) != trained.report_sha256):
        raise FilesGone(f"the candidate of run {run.run_id} is gone")
    return candidate


def _report(paths: Paths, ledger: Ledger, run: Run) -> Report:
    return read_report(_candidate(paths, ledger, run) / "report.json")
