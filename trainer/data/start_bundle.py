"""The bundle that the training of a snapshot starts from, with captions if wanted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from recommender.bundle import Bundle
from recommender.catalogue.catalogue import Catalogue
from trainer.config import Mode, TrainConfig
from trainer.data.captions import with_captions
from trainer.data.encoding_team import EncodingTeam
from trainer.data.event_counts import StartCounts
from trainer.data.pictures import read_pictures
from trainer.data.start import Added, CannotStart, grown_bundle, new_bundle
from trainer.data.texts import TextVectors


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSource:
    """A snapshot and how it is read; `cache` is the folder of texts that were encoded.

    `team` are the ranks that encode together.
    """

    snapshot: Path
    mode: Mode
    config: TrainConfig
    cache: Path
    team: EncodingTeam = field(default_factory=EncodingTeam)


def start_bundle(source: StartSource, counts: StartCounts, live: Bundle | None) -> Bundle:
    """Return a new bundle, or the live one with what the snapshot adds; raise CannotStart."""
    config, cache = source.config, source.cache
    is_new = source.mode in ("full", "baseline")
    added = Added.in_snapshot(source.snapshot, counts)
    items = with_captions(
        added.items,
        read_pictures(source.snapshot),
        config.pictures,
        parent=Catalogue() if is_new or live is None else live.catalogue,
        cache=cache,
    )
    added = replace(added, items=items)
    if is_new:
        texts = TextVectors(config.encoder, cache=cache, team=source.team)
        return new_bundle(added, config, texts, mode=source.mode)
    if live is None:
        raise CannotStart(
            f"{source.snapshot}: mode {source.mode} starts from a live bundle, and there is none"
        )
    texts = TextVectors(
        live.manifest.encoder,
        cache=cache,
        digest=live.manifest.encoder_digest,
        folder=live.encoder_folder,
        adapter=live.adapter_file,
        team=source.team,
    )
    return grown_bundle(live, added, config, texts, mode=source.mode)
