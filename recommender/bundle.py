"""The bundle, the directory of files that is served: save it, load it, verify it.

`docs/architecture.md` describes the directory's layout.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

from recommender.arrays.bases import CONTENT, Bases, move_to_base, moved_file
from recommender.arrays.layers import WHOLE_BYTES, load_arrays, mapped_names, save_arrays
from recommender.arrays.text_column import TextColumn
from recommender.catalogue.catalogue import COLUMNS_FILE, Catalogue
from recommender.catalogue.knowledge_graph import GRAPH_FILE
from recommender.config import (
    BUNDLE_FORMAT,
    EncoderConfig,
    ModelConfig,
    PictureEncoderConfig,
    Signals,
    Slot,
)
from recommender.encoder.encoder import Encoder, EncoderError, TextEncoder, open_encoder
from recommender.encoder.picture_encoder import PictureEncoder, load_picture_encoder
from recommender.item_arrays import (
    TERMS_FILE,
    Whitening,
    item_arrays,
    load_item_arrays,
    load_term_names,
    save_term_names,
)
from recommender.network.model import ItemFacts, Recommender, new_model
from recommender.retrieval.cell_scan import Cells, load_cells, save_cells
from recommender.retrieval.picture_vectors import (
    PictureVectors,
    load_picture_vectors,
    save_picture_vectors,
)

ENCODER = "encoder"
WEIGHTS, FACTS = "model.safetensors", "texts.safetensors"
ADAPTER = "encoder_adapter.safetensors"
CELLS = "cells.safetensors"  # only where lists come from cells
PICTURES, PICTURE_ENCODER = "pictures.safetensors", "picture_encoder"  # only with an encoder


class BundleError(ValueError):
    """The directory is not a valid bundle: which file, what was expected, what was found."""


class OtherFormat(BundleError):
    """The bundle was made by another version of this program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleManifest:
    """The content of `manifest.json`; `save_bundle` fills `files`, the sha256 by name."""

    model: ModelConfig
    encoder: EncoderConfig
    encoder_digest: str | None  # None when no item has a text
    # smallest and greatest rating seen; None without ratings
    rating_scale: tuple[float, float] | None
    num_items: int
    files: Mapping[str, str]
    # older bundles lack these and get the defaults
    signals: Signals = field(default_factory=Signals)
    picture_encoder: PictureEncoderConfig = field(default_factory=PictureEncoderConfig)
    picture_digest: str | None = None  # None when no item has a picture
    pictures_read_texts: bool = False  # the picture encoder reads texts too
    relations: tuple[str, ...] = ()  # attributes that count as facts
    slots: tuple[Slot, ...] = ()  # modalities beside the text
    num_terms: int = 0  # of the table of terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A model with its catalogue, facts and texts.

    `folder` is None before the bundle is saved. `encoder` is the language model in the process that
    made the bundle, and None elsewhere; so is `picture_encoder`. `cells` are None where lists are
    searched in all items, and `pictures` where they are not encoded. `term_names` are those of the
    rows of the network's table of terms, if it has one: an entity's begins with `=`, a relation's
    with `>` as seen from the head and with `<` as seen from the tail.
    """

    manifest: BundleManifest
    catalogue: Catalogue
    model: Recommender
    facts: ItemFacts
    whitening: Whitening
    folder: Path | None = None
    encoder: TextEncoder | None = None
    cells: Cells | None = None
    pictures: PictureVectors | None = None
    picture_encoder: PictureEncoder | None = None
    term_names: TextColumn | None = None
    modality_whitenings: Mapping[str, Whitening] = field(default_factory=dict)

    @property
    def texts_NT(self) -> Tensor:
        """Whitened text vectors, zero rows for items without text."""
        return self.facts.texts_NT

    @property
    def counts_N(self) -> Tensor:
        """Interactions per item so far."""
        return self.facts.counts_N

    @property
    def encoder_folder(self) -> Path | None:
        """The folder of the packed encoder; None when it is not packed."""
        folder = self.folder / ENCODER if self.folder is not None else None
        return folder if folder is not None and folder.is_dir() else None

    @property
    def adapter_file(self) -> Path | None:
        """The file of the encoder's adapter; None when none was trained."""
        file = self.folder / ADAPTER if self.folder is not None else None
        return file if file is not None and file.is_file() else None

    @property
    def picture_encoder_folder(self) -> Path | None:
        """The folder of the packed picture encoder; None when it is not packed."""
        folder = self.folder / PICTURE_ENCODER if self.folder is not None else None
        return folder if folder is not None and folder.is_dir() else None

    def load_picture_encoder(self) -> PictureEncoder:
        """Load the encoder that encoded the pictures; raise EncoderError when it differs here.

        It is exact, so that machines with and without a GPU answer alike.
        """
        manifest, folder = self.manifest, self.picture_encoder_folder
        encoder = load_picture_encoder(manifest.picture_encoder, folder, is_exact=True)
        if manifest.picture_digest not in (None, encoder.digest):
            raise EncoderError(
                f"picture encoder {manifest.picture_encoder.model}: the bundle was made with other "
                "weights than this machine has; copy the same ones here, or train with mode full"
            )
        return encoder

    def load_encoder(self) -> Encoder:
        """Load the encoder that encoded the texts; raise EncoderError when it differs here."""
        manifest = self.manifest
        encoder = open_encoder(manifest.encoder, self.encoder_folder, adapter=self.adapter_file)
        if self.encoder_folder is None and manifest.encoder_digest not in (None, encoder.digest):
            raise EncoderError(
                f"encoder {manifest.encoder.model}: the bundle was made with weights "
                f"{str(manifest.encoder_digest)[:12]}…, but this machine has "
                f"{encoder.digest[:12]}…; copy the same weights here, or train with mode full"
            )
        return encoder


def save_bundle(bundle: Bundle, folder: Path, *, whole_bytes: int = WHOLE_BYTES) -> str:
    """Write the bundle into a new folder and return its digest.

    A packed encoder is taken from memory, or else copied from the bundle's old folder. An array of
    `whole_bytes` or more is stored as a base and layers, which are shared with the old folder.
    """
    folder.mkdir(parents=True)
    weights = {name: tensor.detach() for name, tensor in bundle.model.state_dict().items()}
    items = item_arrays(bundle.facts, bundle.whitening, bundle.modality_whitenings)
    for name, arrays in ((WEIGHTS, weights), (FACTS, items)):
        parent = bundle.folder / name if bundle.folder is not None else None
        save_arrays(arrays, folder / name, parent=parent, whole_bytes=whole_bytes)
    bundle.catalogue.save(folder)
    if bundle.term_names is not None:
        save_term_names(bundle.term_names, folder)
    for file in (folder / COLUMNS_FILE, folder / GRAPH_FILE, folder / TERMS_FILE):
        if file.exists() and file.stat().st_size >= whole_bytes:
            move_to_base(file)
    if bundle.cells is not None:
        save_cells(bundle.cells, folder / CELLS)
    if bundle.manifest.encoder_digest is not None:
        _save_encoder(bundle, folder)
    if bundle.pictures is not None:
        parent = bundle.folder / PICTURES if bundle.folder is not None else None
        save_picture_vectors(
            bundle.pictures, folder / PICTURES, parent=parent, whole_bytes=whole_bytes
        )
        _save_picture_encoder(bundle, folder / PICTURE_ENCODER)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    manifest = replace(bundle.manifest, files={name: _sha256(folder / name) for name in names})
    (folder / "manifest.json").write_text(
        json.dumps({"format": BUNDLE_FORMAT, **asdict(manifest)}, indent=1), encoding="utf-8"
    )
    return bundle_digest(folder)


def load_bundle(folder: Path, *, content: Path | None = None, verify: bool = True) -> Bundle:
    """Read a bundle; raise BundleError when files are missing, unexpected or changed.

    Digests are checked only with `verify`. A bundle of another format raises OtherFormat. `content`
    is the folder of the bases that the bundle leaves out. Large arrays are mapped, and large text
    vectors keep their half precision.
    """
    manifest = read_manifest(folder)
    bases = Bases(folder=folder, beside=content)
    if verify:
        _verify(bases, manifest)
    try:
        find = partial(moved_file, bases=bases)
        catalogue = Catalogue.load(folder, find=find)
        items = load_item_arrays(folder / FACTS, bases)
        model = _load_model(manifest, bases)
        terms_file = find(folder / TERMS_FILE)
        term_names = load_term_names(terms_file) if terms_file.exists() else None
        cells = load_cells(folder / CELLS) if CELLS in manifest.files else None
        pictures = None
        if PICTURES in manifest.files:
            pictures = load_picture_vectors(folder / PICTURES, bases)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise BundleError(f"{folder}: can't read the bundle ({error})") from error
    num_texts = len(items.facts.texts_NT)
    if not len(catalogue) == num_texts == manifest.num_items:
        raise BundleError(
            f"{folder}: found {len(catalogue)} items in the catalogue and {num_texts} text "
            f"vectors, expected {manifest.num_items} as in the manifest"
        )
    return Bundle(
        manifest=manifest,
        catalogue=catalogue,
        model=model.eval(),
        facts=items.facts,
        whitening=items.whitening,
        modality_whitenings=items.modality_whitenings,
        folder=folder,
        cells=cells,
        pictures=pictures,
        term_names=term_names,
    )


def read_manifest(folder: Path) -> BundleManifest:
    """Read only `manifest.json`; raise BundleError, or OtherFormat."""
    path = folder / "manifest.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        found = raw.pop("format")
        if found != BUNDLE_FORMAT:
            raise OtherFormat(
                f"{path}: expected format {BUNDLE_FORMAT}, found {found}; another version of this "
                "program made it; train with mode full"
            )
        raw["model"] = ModelConfig(**raw["model"])
        raw["encoder"] = EncoderConfig(**raw["encoder"])
        if "signals" in raw:
            raw["signals"] = Signals(
                **{name: tuple(types) for name, types in raw["signals"].items()}
            )
        if "picture_encoder" in raw:
            raw["picture_encoder"] = PictureEncoderConfig(**raw["picture_encoder"])
        for slot in raw.get("slots", ()):
            slot.pop("starts_open", None)  # older bundles have it; their weights have the gate
        raw["slots"] = tuple(Slot(**slot) for slot in raw.get("slots", ()))
        raw["relations"] = tuple(raw.get("relations", ()))
        raw["rating_scale"] = (
            tuple(raw["rating_scale"]) if raw["rating_scale"] is not None else None
        )
        return BundleManifest(**raw)
    except (OSError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path}: not a valid manifest of a bundle ({error!r})") from error


def bundle_digest(folder: Path) -> str:
    """Return the sha256 of the sorted (name, sha256) of all files, the manifest included."""
    files = {**read_manifest(folder).files, "manifest.json": _sha256(folder / "manifest.json")}
    return hashlib.sha256(
        "".join(f"{name}\t{files[name]}\n" for name in sorted(files)).encode()
    ).hexdigest()


def _save_encoder(bundle: Bundle, folder: Path) -> None:
    """Write the adapter if there is one, and the encoder's weights if they are packed."""
    if bundle.encoder is not None and bundle.encoder.adapter is not None:
        bundle.encoder.adapter.save(folder / ADAPTER)
    elif bundle.encoder is None and bundle.adapter_file is not None:
        shutil.copyfile(bundle.adapter_file, folder / ADAPTER)
    if not bundle.manifest.encoder.is_packed:
        return
    if bundle.encoder is not None:
        bundle.encoder.save(folder / ENCODER)
    elif bundle.encoder_folder is not None:
        shutil.copytree(bundle.encoder_folder, folder / ENCODER)
    else:
        raise BundleError(
            f"{folder}: can't pack the encoder: neither memory nor the parent bundle has it"
        )


def _save_picture_encoder(bundle: Bundle, folder: Path) -> None:
    """Write the picture encoder's weights if they are packed."""
    if not bundle.manifest.picture_encoder.is_packed or bundle.manifest.picture_digest is None:
        return
    if bundle.picture_encoder is not None:
        bundle.picture_encoder.save(folder)
    elif bundle.picture_encoder_folder is not None:
        shutil.copytree(bundle.picture_encoder_folder, folder)
    else:
        raise BundleError(
            f"{folder}: can't pack the picture encoder: neither memory nor the parent has it"
        )


def _load_model(manifest: BundleManifest, bases: Bases) -> Recommender:
    """Return the model; a large table stays mapped, and all other weights are copied."""
    file = bases.folder / WEIGHTS
    weights, mapped = load_arrays(file, bases), mapped_names(file)
    model = new_model(
        manifest.model, manifest.num_items, manifest.slots, num_terms=manifest.num_terms
    )
    for name in weights.keys() - mapped:
        weights[name] = weights[name].clone()
    model.load_state_dict(weights, assign=bool(mapped))
    return model


def _verify(bases: Bases, manifest: BundleManifest) -> None:
    folder = bases.folder
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {
        "manifest.json"
    }
    if bases.beside is not None:
        found |= {name for name in manifest.files if _base_file(bases, name).is_file()}
    for name in sorted(found ^ set(manifest.files)):
        raise BundleError(
            f"{folder / name}: {'not in the manifest' if name in found else 'missing'}"
        )
    for name, expected in manifest.files.items():
        file = _base_file(bases, name)
        actual = _sha256(file)
        if actual != expected:
            raise BundleError(f"{file}: expected sha256 {expected[:12]}…, found {actual[:12]}…")


def _base_file(bases: Bases, name: str) -> Path:
    """Return the path of a file of the manifest, which for a base may be beside the archives."""
    digest = name.removeprefix(f"{CONTENT}/")
    return bases.folder / name if digest == name else bases.file(digest)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
