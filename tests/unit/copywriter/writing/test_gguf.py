"""A writer whose model is a GGUF file: it writes, and is packed as plain weights."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from copywriter.writing.causal import load_causal_writer
from copywriter.writing.causal_model import CausalModel
from copywriter.writing.prompts import load_prompts
from copywriter.writing.sampling import Sampling
from copywriter.writing.writer import WriterError
from copywriter.writing.writer_bundle import make_writer_bundle, open_writer_bundle
from tests.film_briefs import film_brief
from tests.tiny_gguf import write_tiny_gguf

SAMPLING = Sampling(max_tokens=24)
BRIEFS = [film_brief("Blue Train"), film_brief("Red Boat")]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def test_a_gguf_file_writes_and_is_packed_as_it_is(tmp_path: Path, file: Path) -> None:
    writer = load_causal_writer(str(file), prompts=load_prompts(), sampling=SAMPLING, device="cpu")
    answer = writer.write(BRIEFS, seed=1, within_s=60.0)
    assert answer.output_tokens > 8
    digest = make_writer_bundle(
        tmp_path / "bundle", str(file), prompts=None, sampling=SAMPLING, pack=True
    )
    assert digest == writer.digest
    packed = open_writer_bundle(tmp_path / "bundle")
    assert packed.write(BRIEFS, seed=1, within_s=60.0).texts == answer.texts


@pytest.fixture
def no_gguf_reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hide the package that reads GGUF files, as on a machine that lacks it."""
    from transformers.utils import import_utils

    import_utils.is_gguf_available.cache_clear()
    monkeypatch.setitem(sys.modules, "gguf", None)
    yield
    import_utils.is_gguf_available.cache_clear()


@pytest.mark.usefixtures("no_gguf_reader")
def test_without_its_reader_the_packages_are_named(file: Path) -> None:
    with pytest.raises(WriterError, match="run: pip install gguf accelerate"):
        CausalModel(str(file))
