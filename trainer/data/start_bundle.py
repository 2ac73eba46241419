"""The bundle that the training of a snapshot starts from: texts, captions, pictures, slots."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from recommender.bundle import Bundle
from recommender.catalogue.catalogue import Catalogue
from trainer.config import Mode, TrainConfig
from trainer.data.captions import with_captions
from trainer.data.dataset import read_changed_facts
from trainer.data.encoding_team import EncodingTeam
from trainer.data.event_counts import StartCounts
from trainer.data.noted_encoder import note_digest, noted_digest
from trainer.data.pictures import read_pictures, with_pictures
from trainer.data.slots import with_slots
from trainer.data.start import CHANGED_FACTS, Added, CannotStart, grown_bundle, new_bundle
from trainer.data.texts import TextVectors


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSource:
    """A snapshot and how it is read; `cache` is the folder of texts that were encoded.

    `notes` is a folder of this training, in which its earlier starts left notes.
    `team` are the ranks that encode together.
    """

    snapshot: Path
    mode: Mode
    config: TrainConfig
    cache: Path
    notes: Path
    team: EncodingTeam = field(default_factory=EncodingTeam)


def made_bundle(source: StartSource, counts: StartCounts, live: Bundle | None) -> Bundle:
    """Return what training starts from, with pictures and slots; raise CannotStart."""
    pictured = with_pictures(
        start_bundle(source, counts, live),
        read_pictures(source.snapshot),
        source.config.pictures,
        cache=source.cache,
        team=source.team,
    )
    change = read_changed_facts(source.snapshot / CHANGED_FACTS)
    heads = change.heads if change is not None else None
    return with_slots(pictured, live, source.config, changed_heads=heads)


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
        noted = noted_digest(source.notes, config.encoder)
        texts = TextVectors(config.encoder, cache=cache, digest=noted, team=source.team)
        bundle = new_bundle(added, config, texts, mode=source.mode)
        if noted is None and bundle.manifest.encoder_digest is not None:
            note_digest(source.notes, config.encoder, bundle.manifest.encoder_digest)
        return bundle
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
