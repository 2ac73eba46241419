"""The lines of the stream: ways to keep a model up to date."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from bench.contestants.configs import sketch_config
from bench.contestants.offline import train_bundle
from bench.data.snapshots import Flags, Roles, event_rows, write_snapshot
from bench.ranking.stream import Stream
from bench.report.kept import work_folder
from cron.gate.offline_verdict import offline_verdict
from cron.gate.wording import Against
from cron.settings.tree import GateSettings
from cron.snapshot.judged import need_of, newest_judged, older_judged, positive_of
from cron.snapshot.limits import Limits, within_limits
from cron.snapshot.timeline import Mask, ReplayDraw, Timeline, context_of, replay_sample, timeline
from trainer.config import TrainConfig
from trainer.machine.durable_files import replace_text
from trainer.report import read_report

PROGRESS = "progress.json"
FOLDERS = ("folder", "anchor")


@dataclass(slots=True, kw_only=True)
class StreamLine:
    """One way to keep a model, with what each window scored and what training has cost so far.

    `folder` has the candidate that is live, `anchor` the one of the last full training. `waiting`
    is the first event that the line has not learned from.
    """

    config: TrainConfig
    folder: Path
    anchor: Path
    waiting: int
    ndcg: list[float] = field(default_factory=list)
    seconds: float = 0.0
    num_accepted: int = 0
    num_updates: int = 0


def train_line(
    stream: Stream,
    config: TrainConfig,
    folder: Path,
    known_E: Flags,
    *,
    complete: Callable[[Path], None] = lambda _: None,
) -> StreamLine:
    """Return a line that starts with a model trained from scratch on the marked events.

    `complete` adds to the snapshot what is known of items beside texts.
    """

    def write(snapshot: Path) -> None:
        write_snapshot(
            snapshot, stream.data, Roles(target_E=known_E), mode="full", seed=config.seed
        )
        complete(snapshot)

    seconds = _train(folder, config, write)
    return StreamLine(
        config=config,
        folder=folder,
        anchor=folder,
        waiting=int(np.flatnonzero(known_E)[-1]) + 1,
        seconds=seconds,
    )


def update_line(
    stream: Stream, line: StreamLine, folder: Path, first: int, last: int, *, how: str
) -> StreamLine:
    """Update a line as the worker does: from its bundle and state, on new events and replay.

    `accepted` lines are judged by the gate; a `control` line learns from as many old events
    instead.
    """
    gated = how == "accepted"
    lives = _lives(stream, stream.base if how == "control" else last, panel=gated)
    new_E = stream.between(line.waiting, last)
    if gated:
        new_E &= ~stream.panel_E
    old_size = round(line.config.replay_ratio * int(new_E.sum()))
    if how == "control":  # as many events as an update learns from
        before, old_size, new_E = stream.base, old_size + int(new_E.sum()), np.zeros_like(new_E)
    else:
        before = line.waiting
    limit = line.config.model.max_history
    new_N = _limited_events(lives, new_E[lives.seq_N - 1])
    read_N = context_of(lives, new_N, max_history=limit)
    allowed_N = _limited_events(lives, (lives.seq_N <= before) & lives.lasting_N & ~lives.panel_N)
    draw = ReplayDraw(size=old_size, run=limit, seed=line.config.seed + first)
    replay_N = replay_sample(lives, allowed_N, first_N=read_N, draw=draw)
    context_N = context_of(lives, new_N | replay_N, max_history=limit)
    roles = Roles(
        target_E=_places(stream, lives, new_N),
        replay_E=_places(stream, lives, replay_N),
        context_E=_places(stream, lives, context_N),
    )
    if gated:
        roles = _with_panel(stream, lives, roles, line)
    return _train_update(stream, line, folder, roles, waiting=last, gated=gated)


def _train_update(
    stream: Stream, line: StreamLine, folder: Path, roles: Roles, *, waiting: int, gated: bool
) -> StreamLine:
    """Train an update; return the line with it, or as it was if the gate refuses it."""

    def write(snapshot: Path) -> None:
        write_snapshot(snapshot, stream.data, roles, mode="update", seed=line.config.seed)
        shutil.copytree(line.folder / "candidate" / "bundle", snapshot / "live")
        shutil.copytree(line.folder / "candidate" / "state", snapshot / "state")
        if gated:
            shutil.copytree(line.anchor / "candidate" / "bundle", snapshot / "anchor")

    tried = replace(
        line,
        seconds=line.seconds + _train(folder, line.config, write),
        num_updates=line.num_updates + 1,
    )
    report = read_report(folder / "candidate" / "report.json")
    if gated and not offline_verdict(report, GateSettings(), Against(live=2, anchor=1)).is_accepted:
        return tried
    return replace(tried, folder=folder, waiting=waiting, num_accepted=line.num_accepted + 1)


def _train(folder: Path, config: TrainConfig, write: Callable[[Path], None]) -> float:
    """Make `candidate` in a folder from the snapshot that `write` puts there, unless it exists.

    Return the processor's seconds.
    """
    cost = folder / "seconds.json"
    if not cost.exists():
        snapshot = folder / "snapshot"
        shutil.rmtree(snapshot, ignore_errors=True)
        write(snapshot)
        _, seconds = train_bundle(
            snapshot, config, folder / "candidate", text_cache=work_folder() / "texts"
        )
        shutil.rmtree(snapshot)
        cost.write_text(json.dumps(seconds), encoding="utf-8")
    return float(json.loads(cost.read_text(encoding="utf-8")))


def _limited_events(lives: Timeline, chosen_N: Mask) -> Mask:
    gate = GateSettings()
    return within_limits(
        lives, chosen_N, Limits(user_share=gate.max_user_share, item_share=gate.max_item_share)
    ).mask_N


def _with_panel(stream: Stream, lives: Timeline, roles: Roles, line: StreamLine) -> Roles:
    """Add the roles of the panel's events."""
    limit, need = line.config.model.max_history, need_of(GateSettings())
    positive_N = positive_of(lives, line.config.positive_types, line.config.positive_rating)
    score_N = newest_judged(lives, positive_N, lives.panel_N, need)
    older, is_older_N = lives.before(line.waiting + 1), lives.seq_N <= line.waiting
    older_N = older_judged(older, positive_N[is_older_N], older.panel_N, need)
    return replace(
        roles,
        panel_E=_places(stream, lives, score_N),
        panel_context_E=_places(stream, lives, context_of(lives, score_N, max_history=limit)),
        older_E=_places(stream, older, older_N),
        older_context_E=_places(stream, older, context_of(older, older_N, max_history=limit)),
    )


def _lives(stream: Stream, last: int, *, panel: bool) -> Timeline:
    """Return the events before a place, ordered by user and time by the product's own code."""
    events = event_rows(
        stream.data, stream.between(0, last), np.full(len(stream.data.users_E), "", dtype=object)
    )
    panel_users = np.unique(stream.data.users_E[stream.panel_E]) if panel else ()
    names = {f"u{user}" for user in panel_users}
    return timeline(events, is_panel=names.__contains__)


def _places(stream: Stream, lives: Timeline, marked_N: Flags) -> Flags:
    marked_E = np.zeros(len(stream.data.users_E), np.bool_)
    marked_E[lives.seq_N[marked_N] - 1] = True
    return marked_E


def save_progress(lines: Mapping[str, StreamLine], folder: Path) -> None:
    """Write the state of all lines, then delete the folders that none of them needs any longer."""
    states = {}
    for name, line in lines.items():
        state = asdict(line) | {part: getattr(line, part).name for part in FOLDERS}
        del state["config"]
        states[name] = state
    replace_text(folder / PROGRESS, json.dumps(states))
    needed = {part for line in lines.values() for part in (line.folder, line.anchor)}
    for part in folder.iterdir():
        if part.is_dir() and part not in needed:
            shutil.rmtree(part)


def load_progress(folder: Path, config: TrainConfig) -> dict[str, StreamLine] | None:
    """Return the lines after the last finished window; None if there is none."""
    if not (folder / PROGRESS).exists():
        return None
    configs = {"sketch": sketch_config(config)}
    lines = {}
    for name, state in json.loads((folder / PROGRESS).read_text(encoding="utf-8")).items():
        folders = {part: folder / state[part] for part in FOLDERS}
        lines[name] = StreamLine(config=configs.get(name, config), **{**state, **folders})
    return lines
