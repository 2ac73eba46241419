"""A cache of text vectors finds each text's own vector, and keeps what it had."""

from pathlib import Path

import numpy as np
import torch

from trainer.data.text_cache import KEY_BYTES, TextCache, keys_of

KEYS = keys_of(["one", "two", "three"])
VECTORS = torch.arange(6.0).view(3, 2)
CACHE = TextCache(keys_K=KEYS, vectors_KR=VECTORS)


def test_each_key_is_found_at_its_place() -> None:
    assert CACHE.places(keys_of(["three", "four", "one", "three"])).tolist() == [2, -1, 0, 2]
    empty = TextCache(keys_K=KEYS[:0], vectors_KR=VECTORS[:0])
    assert empty.places(KEYS).tolist() == [-1, -1, -1]
    assert CACHE.places(KEYS[:0]).tolist() == []


def test_a_key_that_begins_in_the_same_way_is_another() -> None:
    other = KEYS[:1].copy()
    other[0, -1] ^= 1
    assert CACHE.places(other).tolist() == [-1]


def test_added_vectors_follow_those_that_were_there(tmp_path: Path) -> None:
    longer = CACHE.with_added(keys_of(["four"]), torch.full((1, 2), 9.0))
    longer.write(tmp_path / "cache.safetensors")
    read = TextCache.read(tmp_path / "cache.safetensors")
    assert read is not None
    assert read.places(keys_of(["four", "two"])).tolist() == [3, 1]
    assert torch.equal(read.vectors_KR, torch.cat([VECTORS, torch.full((1, 2), 9.0)]))
    assert read.keys_K.shape == (4, KEY_BYTES)
    assert np.array_equal(read.keys_K[:3], KEYS)
