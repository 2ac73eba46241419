"""What each step of a cycle does: values and files in, a JSON object out, which the ledger keeps. Order and outcomes are `cron.cycle.cycle`'s.

Every step may be cut off anywhere and be repeated. Names of artifacts carry version and digest, so
a repeated `put` meets its own bytes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from cron.cycle import release_files as lineage_files
from cron.cycle.probe import Golden
from cron.cycle.run_plan import RunPlan, compared
from cron.cycle.signing_key import signing_key
from cron.gate.quality_rows import quality_rows
from cron.gate.verdicts import Against, Verdict, offline_verdict
from cron.ledger import release_rows, run_rows
from cron.lineage import Manifest, Quality, Reason, Run, manifest_from_json, manifest_to_json
from cron.metrics.snapshot_metrics import unreviewed_part
from cron.services import Services
from cron.snapshot.judged import need_of
from cron.snapshot.limits import Limits
from cron.snapshot.panel import Panel
from cron.snapshot.panel_key import panel_by
from cron.snapshot.snapshot import SnapshotRequest, build_snapshot
from recommender.config import BUNDLE_FORMAT
from trainer.archive import code_digest, pack
from trainer.durable_files import sha256_of
from trainer.report import Report, read_report

Output = dict[str, object]


class FilesGone(Exception):
    """Files that an earlier life of this run left are not there any more; the run can't go on."""


def make_snapshot(services: Services, run: Run, plan: RunPlan) -> Output:
    """Write the snapshot, with copies of the bundles that the candidate is compared with."""
    ledger, train, gate = services.ledger, services.settings.train, services.settings.gate
    live = release_rows.release(ledger, run.supersedes) if run.supersedes is not None else None
    anchor = (
        release_rows.release(ledger, plan.anchor)
        if plan.anchor is not None and plan.anchor != run.supersedes
        else None
    )
    request = SnapshotRequest(
        mode=plan.mode,
        target_range=plan.counted_range,
        fresh_range=plan.fresh_range,
        items_through=plan.items_through,
        shift_range=unreviewed_part(ledger, plan.fresh_range),
        older_before=plan.older_before,
        panel=panel_by(ledger, share=plan.panel_share, key=plan.panel_key),
        judged=_judged(services, plan),
        excluded=plan.excluded,
        replay_ratio=train.replay_ratio,
        max_history=train.model.max_history,
        seed=run.run_id,
        need=need_of(gate),
        limits=Limits(user_share=gate.max_user_share, item_share=gate.max_item_share),
        positive_types=train.positive_types,
        positive_rating=train.positive_rating,
        live=lineage_files.bundle_of(services, live.manifest) if live is not None else None,
        anchor=lineage_files.bundle_of(services, anchor.manifest) if anchor is not None else None,
        state=lineage_files.state_of(services, live.manifest) if live is not None else None,
        live_version=live.version if live is not None else None,
        anchor_version=anchor.version if anchor is not None else None,
    )
    info = build_snapshot(services.journal, request, folder_of(services, run) / "snapshot")
    return dict(asdict(info))


def train(services: Services, run: Run) -> Output:
    """Have the trainer make the candidate."""
    folder = folder_of(services, run)
    if not (folder / "snapshot" / "manifest.json").is_file():
        raise FilesGone(f"the snapshot of run {run.run_id} is gone")
    candidate = services.launcher.train(
        folder / "snapshot",
        services.settings.train,
        folder / "candidate",
        limit_s=services.settings.worker.train_limit_s,
    )
    return {"report_sha256": sha256_of(candidate / "report.json")}


def judge(services: Services, run: Run, plan: RunPlan) -> Verdict:
    """Give the offline verdict, and keep the quality figures for the status page."""
    report = _report(services, run)
    live = (
        release_rows.release(services.ledger, run.supersedes)
        if run.supersedes is not None
        else None
    )
    against = Against(
        live=run.supersedes,
        anchor=plan.anchor,
        live_is_baseline=live is not None and live.manifest.mode == "baseline",
    )
    return offline_verdict(
        report, services.settings.gate, against, users=_comparable(services, run, plan, report)
    )


def quality_of(services: Services, run: Run) -> list[Quality]:
    """Return the quality figures in the candidate's report."""
    return quality_rows(_report(services, run), run, at=services.ledger.now())


def archive(
    services: Services, run: Run, plan: RunPlan, *, version: int, figures: Mapping[str, float]
) -> Output:
    """Pack the bundle as a .mar and write its manifest."""
    candidate, out = _candidate(services, run), folder_of(services, run) / "archive"
    state = candidate / lineage_files.STATE
    shutil.rmtree(out, ignore_errors=True)
    key = signing_key(services.paths.var) if services.settings.release.sign_archives else None
    mar = pack(bundle=candidate / "bundle", version=version, out=out, signing_key=key)
    report = _report(services, run)
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
        created_at=services.ledger.now(),
        config=json.loads(
            (folder_of(services, run) / "config.json").read_text()
        ),  # those that trained; the settings may be others by now
        figures=figures,
        libraries=report.versions,
        num_items=report.num_items,
        rating_scale=report.rating_scale,
        popular=report.popular,
        bundle_format=BUNDLE_FORMAT,
    )
    return {"manifest": manifest_to_json(manifest)}


def put(services: Services, run: Run, manifest: Manifest) -> None:
    """Store the .mar, the optimiser state, and last the manifest: a reader never sees a version that is not whole."""
    folder = folder_of(services, run)
    mar, state = folder / "archive" / manifest.archive, folder / "candidate" / lineage_files.STATE
    _check_file(mar, manifest.archive_sha256)
    if manifest.state is not None:
        _check_file(state, manifest.state_sha256)
    text = folder / "archive" / "manifest.json"
    text.write_text(manifest_to_json(manifest))
    services.artifacts.put(manifest.archive, mar)
    if manifest.state is not None:
        services.artifacts.put(manifest.state, state)
    services.artifacts.put(lineage_files.manifest_name(manifest), text)


def _check_file(file: Path, sha256: str | None) -> None:
    """Raise FilesGone unless the file is the one that was made; None stands for any content."""
    if not file.is_file():
        raise FilesGone(f"{file} is gone")
    if sha256 is not None and sha256_of(file) != sha256:
        raise FilesGone(f"{file} was damaged since it was made")


def golden(services: Services, run: Run) -> list[Golden]:
    """Return the newest golden requests of the candidate with their answers, as many as the gate asks for."""
    pairs = json.loads((_candidate(services, run) / "golden.json").read_text())
    newest = pairs[-services.settings.gate.num_probes :]
    return [Golden(request=one["request"], answer=one["answer"]) for one in newest]


def folder_of(services: Services, run: Run) -> Path:
    """Return the folder of a run's files."""
    return services.paths.runs / str(run.run_id)


def verdict_to_output(verdict: Verdict) -> Output:
    """Make a verdict JSON for the ledger."""
    return {
        "reasons": [asdict(reason) for reason in verdict.reasons],
        "figures": dict(verdict.figures),
    }


def verdict_from_output(output: Mapping[str, object]) -> Verdict:
    """Read a recorded verdict."""
    reasons, figures = output["reasons"], output["figures"]
    assert isinstance(reasons, list)
    assert isinstance(figures, dict)
    return Verdict(reasons=tuple(Reason(**reason) for reason in reasons), figures=figures)


def manifest_from_output(output: Mapping[str, object]) -> Manifest:
    """Read a recorded manifest."""
    return manifest_from_json(str(output["manifest"]))


def _comparable(services: Services, run: Run, plan: RunPlan, report: Report) -> frozenset[str]:
    """Return the users of the report on whom neither the candidate nor any compared model was trained."""
    panels = (_judged(services, plan), *compared(services, run.supersedes, plan.anchor))
    users = {
        user for part in (report.panel, report.older) if part is not None for user in part.user_ids
    }
    return frozenset(user for user in users if all(panel.holds(user) for panel in panels))


def _judged(services: Services, plan: RunPlan) -> Panel:
    if plan.judged_share is None:
        return panel_by(services.ledger, share=plan.panel_share, key=plan.panel_key)
    return panel_by(services.ledger, share=plan.judged_share, key=plan.judged_key)


def _candidate(services: Services, run: Run) -> Path:
    """Return the candidate that the run's training recorded; when another host trained it, one of ours may be left from before that."""
    candidate = folder_of(services, run) / "candidate"
    report, trained = (
        candidate / "report.json",
        run_rows.step_output(services.ledger, run.run_id, "train"),
    )
    if not report.is_file() or (
        trained is not None and sha256_of(report) != trained["report_sha256"]
    ):
        raise FilesGone(f"the candidate of run {run.run_id} is gone")
    return candidate


def _report(services: Services, run: Run) -> Report:
    return read_report(_candidate(services, run) / "report.json")
