"""Make one candidate from one snapshot: read, start, train, write, evaluate, report.

This is the main path of the trainer, top to bottom. It reads and writes folders of files and uses
no network; the results do not depend on the clock. `trainer.__main__` is the command around it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import torch

from recommender.arrays.bases import Bases
from recommender.arrays.layers import load_arrays, save_arrays
from recommender.bundle import Bundle, OtherFormat, bundle_digest, load_bundle, save_bundle
from recommender.network.model import Baseline, Trained
from recommender.ranking.ranker import Ranker
from trainer.candidate_files import EVENTS, PROGRESS, TEXTS, checkpoints_of, partial_of
from trainer.config import TrainConfig
from trainer.data.dataset import (
    EventTable,
    SnapshotManifest,
    read_events,
    read_manifest,
    read_share,
)
from trainer.data.encoding_team import EncodingTeam
from trainer.data.event_counts import StartCounts
from trainer.data.event_file import EventFile
from trainer.data.sampling import Sequences, build_sequences
from trainer.data.slate_sequences import read_slates
from trainer.data.start_bundle import StartSource, made_bundle
from trainer.data.texts import TextVectors
from trainer.evaluation.evaluate import evaluate, scored_events
from trainer.evaluation.golden import write_golden
from trainer.evaluation.judged_lists import write_list_answers, write_list_credits
from trainer.evaluation.modality_control import evaluate_modalities
from trainer.learning import averaging
from trainer.learning.checkpoint import Checkpoints
from trainer.learning.content_share import move_share_to_content
from trainer.learning.learned import Learned
from trainer.learning.loop import Schedule, Watch, train
from trainer.learning.optimizer import Optimizer
from trainer.learning.text_learner import text_learner
from trainer.learning.trainee import FixedFacts, Trainee
from trainer.lists import list_recall, with_cells
from trainer.machine import distributed, durable_files
from trainer.machine.device import CPU, device_name, fast_products, to_device
from trainer.machine.preemption import PreemptionNotice
from trainer.progress import Progress
from trainer.report import Evaluation, PopularItem, Report, write_report

NUM_POPULAR = 200
STATE = "optimizer.safetensors"
PANEL = "panel.parquet"
LIBRARIES = ("torch", "transformers", "safetensors", "numpy", "pyarrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The snapshot, the configuration and the output folder of a candidate.

    A rank reads its shards of `events`, by default of the snapshot's file.
    `check` is called often and raises when the work should stop. `before_steps` is called once,
    before the first training step. `device` is where the training runs; everything else runs on the
    CPU.
    """

    snapshot: Path
    config: TrainConfig
    out: Path
    text_cache: Path | None
    check: Callable[[], None]
    before_steps: Callable[[], None] = lambda: None
    notice: PreemptionNotice = field(default_factory=PreemptionNotice)
    device: torch.device = CPU
    events: EventFile | None = None

    @property
    def partial(self) -> Path:
        """The folder of the unfinished candidate."""
        return partial_of(self.out)


def make_candidate(job: Job) -> None:
    """Make the candidate folder unless it exists; a killed training goes on from a checkpoint."""
    if distributed.from_first(job.out.is_dir):  # other machines have no candidate
        return
    is_first = distributed.rank() == 0
    if is_first:
        job.partial.mkdir(parents=True, exist_ok=True)
    facts = {"ranks": distributed.num_ranks(), "device": device_name(job.device)}
    progress = Progress(job.partial if is_first else None, facts)
    progress.phase("read")
    manifest = read_manifest(job.snapshot)
    live = _load_parent(job.snapshot / "live", manifest) if is_first else None
    learned = _make_bundle(job, manifest, live, progress)
    if is_first:
        progress.phase("evaluate", 2)
        report = _report(job, manifest, live, progress)
        progress.end()
        digest = bundle_digest(job.partial / "bundle")
        complete = replace(
            report,
            losses=learned.losses,
            policy_gradient=learned.policy_gradient,
            bundle_digest=digest,
            seconds=progress.seconds,
            device_s=progress.device_s,
        )
        write_report(complete, job.partial / "report.json")
        _publish(job)


def _make_bundle(
    job: Job, manifest: SnapshotManifest, live: Bundle | None, progress: Progress
) -> Learned:
    """Train and write the bundle and the state; return what the report says about it.

    Afterwards memory holds neither, so that the evaluation has room.
    """
    result = _train(job, manifest, _start(job, manifest, live, progress), progress)
    if distributed.rank() == 0:
        progress.phase("write")
        _write(job, result)
    return result.learned


def _load_parent(folder: Path, manifest: SnapshotManifest) -> Bundle | None:
    """Return the bundle to continue from or to compare with, if there is one.

    A bundle in the format of another Freshet version is ignored when training starts from scratch,
    because a full retrain is how to move on from it.
    """
    try:
        return load_bundle(folder) if folder.is_dir() else None
    except OtherFormat:
        if manifest.mode in ("full", "baseline"):
            return None
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """What training starts from; `sequences` is None where nothing is trained."""

    bundle: Bundle
    sequences: Sequences | None


def _start(job: Job, manifest: SnapshotManifest, live: Bundle | None, progress: Progress) -> _Start:
    """Read this rank's events and make the start bundle."""
    file = job.events or EventFile.local(job.snapshot / EVENTS)
    events = read_share(file, distributed.rank(), distributed.num_ranks())
    counts = StartCounts.of_all_ranks(events, job.config.signals)
    progress.phase("encode")
    source = StartSource(
        snapshot=job.snapshot,
        mode=manifest.mode,
        config=job.config,
        cache=_cache(job),
        notes=job.partial / TEXTS,
        team=EncodingTeam(progress.alive),
    )
    bundle = _shared_bundle(source, counts, live)
    if isinstance(bundle.model, Baseline) or manifest.mode == "items":
        return _Start(bundle=bundle, sequences=None)
    clipped = events.within(bundle.manifest.rating_scale)
    sequences = build_sequences(clipped, events.rows(bundle.catalogue), job.config)
    slates = read_slates(job.snapshot, bundle, sequences, events, job.config.policy_gradient)
    return _Start(bundle=bundle, sequences=replace(sequences, slates=slates))


def _shared_bundle(source: StartSource, counts: StartCounts, live: Bundle | None) -> Bundle:
    """Make the start bundle on the first rank and return a copy on every rank.

    The others encode their share of texts and pictures. Only the first rank's bundle has the
    encoders.
    """
    made = None
    if distributed.rank() == 0:
        with source.team.lead():
            made = made_bundle(source, counts, live)
    else:
        source.team.assist()
    shared = distributed.from_first(
        lambda: replace(made, encoder=None, picture_encoder=None) if made is not None else None
    )
    assert shared is not None
    if made is None:
        return shared
    return replace(shared, encoder=made.encoder, picture_encoder=made.picture_encoder)


def _cache(job: Job) -> Path:
    return job.text_cache if job.text_cache is not None else job.partial / TEXTS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """The bundle to serve, the state that the next update needs, and what was learned."""

    bundle: Bundle
    state: averaging.Weights
    learned: Learned = field(default_factory=Learned)


def _train(job: Job, manifest: SnapshotManifest, start: _Start, progress: Progress) -> _Result:
    """Train the bundle's model in place, if its kind and the mode ask for training."""
    bundle, model = start.bundle, start.bundle.model
    if isinstance(model, Baseline):
        return _Result(bundle=bundle, state={})
    state = _parent_state(job.snapshot, manifest)
    if start.sequences is None:
        return _Result(bundle=bundle, state=state)
    is_update = manifest.mode == "update"
    served = averaging.weights_of(model) if is_update else {}
    if is_update:
        averaging.set_weights(model, averaging.from_state(state, served))
    trainee = _trainee(job, bundle, model, state, learns_texts=manifest.mode == "full")
    if is_update:
        trainee.optimizer.begin_update()
    job.before_steps()
    with fast_products(job.device), job.notice.hold_back():
        learned = train(
            trainee,
            start.sequences,
            config=job.config,
            schedule=Schedule.of(job.config, is_update=is_update),
            checkpoints=_checkpoints(job, manifest),
            watch=Watch(progress=progress, check=job.check, is_preempted=job.notice.is_given),
        )
    model.to(CPU)
    new_state = trainee.optimizer.state()
    if is_update:
        new_state |= averaging.to_state(averaging.weights_of(model))
        recent = {
            name: table.recent_rows().to(CPU) for name, table in trainee.optimizer.tables.items()
        }
        averaging.move_towards(model, served, recent, decay=job.config.average_decay)
    bundle = trainee.source.finish(bundle)
    if not is_update:
        move_share_to_content(model, bundle.facts)
    return _Result(bundle=bundle, state=new_state, learned=learned)


def _parent_state(snapshot: Path, manifest: SnapshotManifest) -> averaging.Weights:
    """Return the state that the parent left; empty when training starts from scratch."""
    path = snapshot / "state" / STATE
    if manifest.mode not in ("update", "items") or not path.exists():
        return {}
    return load_arrays(path, Bases(folder=path.parent))


def _trainee(
    job: Job, bundle: Bundle, model: Trained, state: averaging.Weights, *, learns_texts: bool
) -> Trainee:
    model.to(job.device)
    optimizer = Optimizer(model, weight_decay=job.config.weight_decay)
    if state:
        optimizer.load(state)
    facts = to_device(bundle.facts, job.device)
    learner = text_learner(replace(bundle, facts=facts), job.config) if learns_texts else None
    return Trainee(model=model, optimizer=optimizer, source=learner or FixedFacts(facts))


def _checkpoints(job: Job, manifest: SnapshotManifest) -> Checkpoints:
    """Return the checkpoints; an update of a usual size ends before its first."""
    folder = checkpoints_of(job.out)
    return Checkpoints(folder, key=_key(job, manifest), every_s=job.config.checkpoint_s)


def _key(job: Job, manifest: SnapshotManifest) -> str:
    """Return the digest of everything that decides the result; it identifies the checkpoint."""
    # these may change between two tries
    config = replace(job.config, checkpoint_s=0.0, step_limit_s=0.0, silence_limit_s=0.0)
    whole = json.dumps([asdict(manifest), asdict(config)], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()


def _write(job: Job, result: _Result) -> None:
    """Write the bundle and the state."""
    bundle = result.bundle
    bundle = with_cells(bundle, read_events(job.snapshot / PANEL), job.config)
    for name in ("bundle", "state"):
        shutil.rmtree(job.partial / name, ignore_errors=True)
    (job.partial / "state").mkdir()
    if result.state:
        save_arrays(
            result.state,
            job.partial / "state" / STATE,
            parent=job.snapshot / "state" / STATE,
            whole_bytes=job.config.whole_bytes,
        )
    packed = bundle.manifest.encoder.is_packed and bundle.manifest.encoder_digest is not None
    if packed and bundle.encoder is None and bundle.encoder_folder is None:
        encoder = TextVectors(
            bundle.manifest.encoder, cache=job.partial, digest=bundle.manifest.encoder_digest
        ).encoder()
        bundle = replace(bundle, encoder=encoder)
    save_bundle(bundle, job.partial / "bundle", whole_bytes=job.config.whole_bytes)


def _report(
    job: Job, manifest: SnapshotManifest, live: Bundle | None, progress: Progress
) -> Report:
    """Score the bundle as written to disk, together with the live one and the anchor."""
    bundle = load_bundle(job.partial / "bundle", verify=False)
    ranker = Ranker(bundle)
    rankers = {"candidate": ranker}
    if live is not None:
        rankers["live"] = Ranker(live)
    if (anchor := _load_parent(job.snapshot / "anchor", manifest)) is not None:
        rankers["anchor"] = Ranker(anchor)
    panel_events = read_events(job.snapshot / PANEL).within(bundle.manifest.rating_scale)
    older_events = read_events(job.snapshot / "older.parquet").within(bundle.manifest.rating_scale)
    # The snapshot limits how many events are judged; a limit here would be a second rule.
    panel, older = (
        scored_events(events, job.config, newest=None) for events in (panel_events, older_events)
    )
    progress.step(1, 2)
    fresh = _fresh(job, rankers.get("live"))
    write_golden(ranker, panel_events, job.partial / "golden.json")
    write_list_answers(rankers, job.snapshot, job.partial, job.check)
    write_list_credits(job.snapshot, job.partial, job.config.policy_gradient)
    popular = [bundle.catalogue[row] for row in ranker.popular_rows(NUM_POPULAR)]
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
        modalities=_modalities(job, manifest, ranker, panel_events),
        older=evaluate(older, rankers, baselines_of=ranker) if older is not None else None,
        fresh=fresh,
        list_recall=list_recall(ranker, panel_events),
        losses=(),
        popular=tuple(PopularItem(item_id=item.item_id, title=item.title) for item in popular),
        data_digest=manifest.data_digest,
        bundle_digest="",
        versions=_versions(job.device),
        seconds={},
    )


def _versions(device: torch.device) -> dict[str, str]:
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "threads": str(torch.get_num_threads()),
        "device": device_name(device),
    }


def _modalities(
    job: Job, manifest: SnapshotManifest, ranker: Ranker, events: EventTable
) -> Evaluation | None:
    """Return what each modality is worth; None except for a full retrain."""
    return evaluate_modalities(events, ranker, job.config) if manifest.mode == "full" else None


def _fresh(job: Job, live: Ranker | None) -> Evaluation | None:
    path = job.snapshot / "fresh.parquet"
    if live is None or not path.exists():
        return None
    scored = scored_events(read_events(path).within(live.bundle.manifest.rating_scale), job.config)
    return evaluate(scored, {"live": live}, baselines_of=live) if scored is not None else None


def _publish(job: Job) -> None:
    """Delete what only the work needed, then rename the folder to its final name."""
    shutil.rmtree(checkpoints_of(job.out), ignore_errors=True)
    shutil.rmtree(job.partial / TEXTS, ignore_errors=True)
    (job.partial / PROGRESS).unlink(missing_ok=True)
    durable_files.sync_tree(job.partial)
    durable_files.move(job.partial, job.out)
