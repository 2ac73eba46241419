"""What pictures cost: encoding them, texts in their place, a release, and a search.

The models have the shapes of published ones and random weights, on which none of this depends.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bench.data.rendered_pictures import rendered_pictures, thumbnails_of
from bench.report.rows import BenchMetric, is_quick
from recommender.arrays.best_rows import best_rows
from recommender.config import PictureEncoderConfig
from recommender.encoder.picture_encoder import load_picture_encoder
from recommender.retrieval.picture_vectors import (
    no_vectors,
    picture_cosines,
    save_picture_vectors,
)

NUM_PICTURES, NUM_QUICK = 64, 8
WIDTH = 512  # of CLIP ViT-B/32's vectors
SEARCHED, SEARCHED_QUICK = (100_000, 1_000_000), (10_000,)
TEXT = "A reading lamp of brass with a green shade, for a desk or a bedside table."
_WORDS = ("<s>", "</s>", "<pad>", "<unk>", "a", "lamp")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingCosts:
    """What one model takes; texts only where it reads them."""

    picture_s: float
    text_s: float | None
    peak_gib: float
    packed_mb: float
    width: int


def picture_costs() -> list[BenchMetric]:
    """Measure each model in a process of its own, then releases and searches."""
    metrics: list[BenchMetric] = []
    for name in MODELS:
        found = _in_own_process(partial(measure_model, name))
        metrics += _rows_of(name, found)
    for num_items in SEARCHED_QUICK if is_quick() else SEARCHED:
        metrics += _in_own_process(partial(measure_search, num_items))
    return metrics


def measure_model(name: str) -> EncodingCosts:
    """Encode rendered pictures on one thread."""
    torch.set_num_threads(1)
    thumbnails = thumbnails_of(rendered_pictures(NUM_QUICK if is_quick() else NUM_PICTURES))
    with tempfile.TemporaryDirectory() as folder:
        written = _write_model(Path(folder) / "model", name)
        encoder = load_picture_encoder(PictureEncoderConfig(model=str(written)), device="cpu")
        encoder.save(Path(folder) / "packed")
        packed = sum(path.stat().st_size for path in (Path(folder) / "packed").iterdir())
    picture_s = _seconds(lambda: encoder.encode(thumbnails)) / len(thumbnails)
    text_s = None
    if encoder.reads_texts:
        texts = [f"{TEXT} {number}" for number in range(len(thumbnails))]
        text_s = _seconds(lambda: encoder.encode_texts(texts)) / len(texts)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return EncodingCosts(
        picture_s=picture_s,
        text_s=text_s,
        peak_gib=peak,
        packed_mb=packed / 1e6,
        width=encoder.width,
    )


def measure_search(num_items: int) -> list[BenchMetric]:
    """Measure the file of a release's vectors, and the ten items that look most like a picture."""
    torch.set_num_threads(1)
    vectors = no_vectors(num_items, WIDTH)
    generator = torch.Generator().manual_seed(0)
    for part_XP in torch.split(vectors.vectors_NP, 100_000):
        part_XP.copy_(torch.randn(part_XP.shape, generator=generator))
    vectors.has_N.fill_(True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pictures.safetensors"
        save_picture_vectors(vectors, file, parent=None, whole_bytes=num_items * WIDTH * 4)
        size_mb = file.stat().st_size / 1e6
    picture_P = torch.randn(WIDTH, generator=generator)

    def search() -> None:
        best_rows(picture_cosines(vectors, picture_P).numpy(), 10)

    search()
    seconds = sorted(_seconds(search) for _ in range(5))
    of_items = f"{num_items:,} items, {WIDTH} numbers each"
    return [
        _row("the vectors of a release", size_mb, "MB", note=of_items),
        _row("the ten nearest pictures", 1_000 * seconds[2], "processor ms", note=of_items),
    ]


def _rows_of(name: str, found: EncodingCosts) -> list[BenchMetric]:
    rows = [
        _row(f"{name}: a picture encoded", 1_000 * found.picture_s, "processor ms"),
        _row(f"{name}: weights in the archive", found.packed_mb, "MB"),
        _row(
            f"{name}: peak memory of the process that encodes",
            found.peak_gib,
            "GiB",
            note=f"vectors of {found.width} numbers",
        ),
    ]
    if found.text_s is not None:
        rows.append(_row(f"{name}: a text encoded", 1_000 * found.text_s, "processor ms"))
    return rows


def _row(metric: str, value: float, unit: str, *, note: str = "") -> BenchMetric:
    return BenchMetric(metric=metric, value=round(value, 2), unit=unit, note=note)


def _seconds(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def _in_own_process(work: Callable[[], Any]) -> Any:
    """Call a function in a new process, so that its peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as processes:
        return processes.submit(work).result()


def _write_model(folder: Path, name: str) -> Path:
    torch.manual_seed(0)
    network, processor = MODELS[name]()
    network.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    if hasattr(network, "get_text_features"):
        _tokenizer().save_pretrained(folder)
    return folder


def _clip() -> tuple[Any, Any]:
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    config: Any = CLIPConfig
    return CLIPModel(config()), CLIPImageProcessorPil()


def _siglip() -> tuple[Any, Any]:
    from transformers import SiglipConfig, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    config: Any = SiglipConfig
    return SiglipModel(config()), SiglipImageProcessorPil()


def _dinov2() -> tuple[Any, Any]:
    from transformers import Dinov2Config, Dinov2Model
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

    small = Dinov2Config(hidden_size=384, num_attention_heads=6)
    size = {"shortest_edge": 256}
    return Dinov2Model(small), BitImageProcessorPil(size=size)


def _tokenizer() -> Any:
    """Return a tokenizer of some words; texts are read in full length, whatever they say."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate(_WORDS)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    fast: Any = PreTrainedTokenizerFast
    return fast(
        tokenizer_object=made,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
    )


MODELS: Mapping[str, Callable[[], tuple[Any, Any]]] = {
    "CLIP ViT-B/32": _clip,
    "SigLIP base, 224 pixels": _siglip,
    "DINOv2 small": _dinov2,
}
