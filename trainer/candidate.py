"""One candidate from one snapshot: read, start, train, write, evaluate, report. The main path of the trainer, top to bottom.

Knows directories of files; no network, no wall clock in results. `trainer.__main__` is the command
around it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from recommender.bundle import Bundle, OtherFormat, bundle_digest, load_bundle, save_bundle
from recommender.model import Baseline
from recommender.ranker import Ranker
from trainer import averaging, distributed, durable_files
from trainer.config import TrainConfig
from trainer.dataset import EventTable, SnapshotManifest, read_events, read_items, read_manifest
from trainer.device import CPU, device_name, fast_products, moved
from trainer.evaluate import evaluate, scored_events
from trainer.golden import write_golden
from trainer.loop import Checkpoint, Schedule, Watch, train
from trainer.optimizer import Optimizer
from trainer.progress import Progress
from trainer.report import Evaluation, PopularItem, Report, write_report
from trainer.sampling import build_sequences
from trainer.start import Added, CannotStart, grown_bundle, new_bundle
from trainer.text_learner import text_learner
from trainer.texts import TextVectors

NUM_POPULAR = 200
STATE = "optimizer.safetensors"
LIBRARIES = ("torch", "transformers", "safetensors", "numpy", "pyarrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be made of what, and where. `check` is called often and raises when the work should stop."""

    snapshot: Path
    config: TrainConfig
    out: Path
    text_cache: Path | None
    check: Callable[[], None]
    device: torch.device = CPU  # of the training; everything else is done on the CPU

    @property
    def partial(self) -> Path:
        """Where the work lies until it is complete."""
        return self.out.with_name(self.out.name + ".partial")


def make_candidate(job: Job) -> None:
    """Make the candidate folder, or nothing when it is there already; a run that was cut off goes on after its last epoch."""
    if job.out.is_dir():
        return
    first = distributed.rank() == 0
    if first:
        job.partial.mkdir(parents=True, exist_ok=True)
    progress = Progress(job.partial if first else None)
    progress.phase("read")
    manifest = read_manifest(job.snapshot)
    events = read_events(job.snapshot / "events.parquet")
    live = _beside(job.snapshot / "live", manifest)
    progress.phase("encode")
    made = _start(job, manifest, events, live) if first else None
    shared = distributed.from_first(
        lambda: replace(made, encoder=None) if made is not None else None
    )
    assert shared is not None
    start = shared if made is None else replace(shared, encoder=made.encoder)
    trained = _trained(job, manifest, events, start, progress)
    if first:
        progress.phase("write")
        digest = _write(job, trained)
        progress.phase("evaluate", 2)
        report = _report(job, manifest, live, progress)
        progress.end()
        complete = replace(
            report, losses=trained.losses, bundle_digest=digest, seconds=progress.seconds
        )
        write_report(complete, job.partial / "report.json")
        _publish(job)


def _beside(folder: Path, manifest: SnapshotManifest) -> Bundle | None:
    """Return the bundle to go on from or to be compared with, if any.

    One that another version of this program made is passed over where training starts anew: that is
    the way past it.
    """
    try:
        return load_bundle(folder) if folder.is_dir() else None
    except OtherFormat:
        if manifest.mode in ("full", "baseline"):
            return None
        raise


def _start(job: Job, manifest: SnapshotManifest, events: EventTable, live: Bundle | None) -> Bundle:
    added = Added(items=read_items(job.snapshot / "items.parquet"), events=events)
    cache = job.text_cache if job.text_cache is not None else job.partial / "texts"
    if manifest.mode in ("full", "baseline"):
        return new_bundle(
            added, job.config, TextVectors(job.config.encoder, cache=cache), mode=manifest.mode
        )
    if live is None:
        raise CannotStart(
            f"{job.snapshot}: mode {manifest.mode} starts from a live bundle, and there is none"
        )
    texts = TextVectors(
        live.manifest.encoder,
        cache=cache,
        digest=live.manifest.encoder_digest,
        folder=live.encoder_folder,
        adapter=live.adapter_file,
    )
    return grown_bundle(live, added, job.config, texts, mode=manifest.mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trained:
    """The bundle to serve, what the next update goes on from, and the mean loss of each epoch."""

    bundle: Bundle
    state: averaging.Weights
    losses: tuple[float, ...] = ()


def _trained(
    job: Job, manifest: SnapshotManifest, events: EventTable, bundle: Bundle, progress: Progress
) -> _Trained:
    """Train the bundle's model in place, when there is something to train."""
    model = bundle.model
    if isinstance(model, Baseline):
        return _Trained(bundle=bundle, state={})
    path = job.snapshot / "state" / STATE
    state = load_file(path) if manifest.mode in ("update", "items") and path.exists() else {}
    if manifest.mode == "items":
        return _Trained(bundle=bundle, state=state)
    update = manifest.mode == "update"
    served = averaging.weights_of(model)
    if update:
        averaging.put(averaging.from_state(state, served), model)
    model.to(job.device)
    optimizer = Optimizer(model, weight_decay=job.config.weight_decay)
    if state:
        optimizer.load(state)
    rows_E = events.rows({item.item_id: row for row, item in enumerate(bundle.catalogue.items)})
    sequences = build_sequences(events.within(bundle.manifest.rating_scale), rows_E, job.config)
    schedule = Schedule(
        epochs=job.config.update_epochs if update else job.config.full_epochs,
        lr=job.config.lr(update=update),
        warm=update,
    )
    checkpoint = Checkpoint(
        path=job.partial / "checkpoint" / "epoch.safetensors", key=_key(job, manifest)
    )
    watch = Watch(progress=progress, check=job.check)
    facts = moved(bundle.facts, job.device)
    learner = (
        text_learner(replace(bundle, facts=facts), job.config) if manifest.mode == "full" else None
    )
    with fast_products(job.device):
        losses = train(
            model,
            optimizer,
            learner or facts,
            sequences,
            config=job.config,
            run=(schedule, checkpoint, watch),
        )
    model.to(CPU)
    if not update:
        return _Trained(
            bundle=bundle if learner is None else learner.learned(bundle),
            state=optimizer.state(),
            losses=losses,
        )
    trained = averaging.weights_of(model)
    averaging.put(averaging.averaged(served, trained, decay=job.config.average_decay), model)
    return _Trained(
        bundle=bundle, state=optimizer.state() | averaging.to_state(trained), losses=losses
    )


def _key(job: Job, manifest: SnapshotManifest) -> str:
    """Name what decides the result: a checkpoint of anything else is not ours."""
    whole = json.dumps([asdict(manifest), asdict(job.config)], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()


def _write(job: Job, trained: _Trained) -> str:
    bundle = trained.bundle
    for name in ("bundle", "state"):
        shutil.rmtree(job.partial / name, ignore_errors=True)
    (job.partial / "state").mkdir()
    if trained.state:
        save_file(trained.state, job.partial / "state" / STATE)
    packed = bundle.manifest.encoder.is_packed and bundle.manifest.encoder_digest is not None
    if packed and bundle.encoder is None and bundle.encoder_folder is None:
        encoder = TextVectors(
            bundle.manifest.encoder, cache=job.partial, digest=bundle.manifest.encoder_digest
        ).encoder()
        bundle = replace(bundle, encoder=encoder)
    save_bundle(bundle, job.partial / "bundle")
    return bundle_digest(job.partial / "bundle")


def _report(
    job: Job, manifest: SnapshotManifest, live: Bundle | None, progress: Progress
) -> Report:
    """Score the bundle as it lies on disk, beside the live one and the anchor."""
    bundle = load_bundle(job.partial / "bundle", verify=False)
    ranker = Ranker(bundle)
    rankers = {"candidate": ranker}
    if live is not None:
        rankers["live"] = Ranker(live)
    if (anchor := _beside(job.snapshot / "anchor", manifest)) is not None:
        rankers["anchor"] = Ranker(anchor)
    panel_events = read_events(job.snapshot / "panel.parquet").within(bundle.manifest.rating_scale)
    older_events = read_events(job.snapshot / "older.parquet").within(bundle.manifest.rating_scale)
    # the snapshot says how many are judged: a limit here would be a second rule
    panel, older = (
        scored_events(events, job.config, newest=None) for events in (panel_events, older_events)
    )
    progress.step(1, 2)
    fresh = _fresh(job, rankers.get("live"))
    write_golden(ranker, panel_events, job.partial / "golden.json")
    popular = [bundle.catalogue.items[row] for row in ranker.popular_rows(NUM_POPULAR)]
    return Report(
        mode=manifest.mode,
        finite_weights=all(
            bool(tensor.isfinite().all())
            for tensor in (*bundle.model.state_dict().values(), bundle.texts_NT)
        ),
        num_targets=manifest.num_targets,
        num_replay=manifest.num_replay,
        num_items=len(bundle.catalogue),
        rating_scale=bundle.manifest.rating_scale,
        panel=evaluate(panel, rankers, baselines_of=ranker) if panel is not None else None,
        older=evaluate(older, rankers, baselines_of=ranker) if older is not None else None,
        fresh=fresh,
        losses=(),
        popular=tuple(PopularItem(item_id=item.item_id, title=item.title) for item in popular),
        data_digest=manifest.data_digest,
        bundle_digest="",
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
            "threads": str(torch.get_num_threads()),
            "device": device_name(job.device),
        },
        seconds={},
    )


def _fresh(job: Job, live: Ranker | None) -> Evaluation | None:
    path = job.snapshot / "fresh.parquet"
    if live is None or not path.exists():
        return None
    scored = scored_events(read_events(path).within(live.bundle.manifest.rating_scale), job.config)
    return evaluate(scored, {"live": live}, baselines_of=live) if scored is not None else None


def _publish(job: Job) -> None:
    """Drop what only the work needed, then rename into place as a whole."""
    shutil.rmtree(job.partial / "checkpoint", ignore_errors=True)
    shutil.rmtree(job.partial / "texts", ignore_errors=True)
    (job.partial / "progress.json").unlink(missing_ok=True)
    durable_files.sync_tree(job.partial)
    durable_files.move(job.partial, job.out)
