"""A planted bundle with pictures and facts, as a release of both."""

from __future__ import annotations

import base64
import shutil
from dataclasses import replace
from pathlib import Path

from recommender.bundle import Bundle, save_bundle
from recommender.catalogue.knowledge_graph import KnowledgeGraph
from recommender.config import PictureEncoderConfig
from recommender.encoder.picture_encoder import load_picture_encoder
from recommender.retrieval.picture_vectors import no_vectors, set_vector
from tests.pictures import render
from tests.planted import planted_bundle
from tests.vision_models import write_vision_model

PICTURES = {
    "i1": render("red"),
    "i4": render("blue", shape="square"),
    "i6": render("red", side_px=60),
    "i7": render("green", shape="square"),
}
FACTS = (
    ("i1", "director", "m.1"),
    ("i5", "director", "m.1"),
    ("m.1", "name", "Ann Lee"),
    ("i5", "sequel", "i6"),
)
SENT = {"picture": base64.b64encode(render("red", kind="JPEG")).decode()}
BROKEN = {"picture": base64.b64encode(render()[:60]).decode()}
REQUESTS: tuple[dict[str, object], ...] = (
    {"similar_to": SENT, "k": 3},
    {"similar_to": BROKEN, "k": 3},
    {"similar_to": {"id": "i1"}, "by": "picture", "k": 3},
    {"similar_to": {"text": "a red circle"}, "by": "picture", "k": 3},
    {"search": "a red circle", "k": 5},
    {"user_seq": [], "k": 5, "filter": {"director": "Ann Lee"}},
    {"user_seq": ["i5"], "k": 5, "explain": True},
)


def pictured_bundle(folder: Path, kind: str, *, whole_bytes: int = 1_000_000) -> Bundle:
    """Save a bundle in `folder/bundle` and return it; four of its items have pictures.

    The vision model, of a kind, is in the bundle alone.
    """
    plain = planted_bundle(folder / "plain", tower="transformer", encoder="tiny")
    config = PictureEncoderConfig(model=str(write_vision_model(folder / "vision", kind)))
    encoder = load_picture_encoder(config, device="cpu")
    vectors = no_vectors(len(plain.catalogue), encoder.width)
    for item_id, picture in PICTURES.items():
        row = plain.catalogue.row(item_id)
        assert row is not None
        set_vector(vectors, row, encoder.encode([picture])[0], of_text=False)
    manifest = replace(
        plain.manifest,
        picture_encoder=config,
        picture_digest=encoder.digest,
        pictures_read_texts=encoder.reads_texts,
    )
    whole = replace(
        plain,
        manifest=manifest,
        catalogue=plain.catalogue.with_graph(KnowledgeGraph.of(FACTS)),
        pictures=vectors,
        picture_encoder=encoder,
    )
    save_bundle(whole, folder / "bundle", whole_bytes=whole_bytes)
    shutil.rmtree(folder / "vision")
    return replace(whole, folder=folder / "bundle", picture_encoder=None)
