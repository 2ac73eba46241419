"""Hashed words: texts that share words are near each other, on every machine alike."""

import torch

from recommender.config import EncoderConfig
from recommender.encoder.word_vectors import WordVectors

WORDS = WordVectors(EncoderConfig(model="words", max_tokens=8))


def test_texts_are_near_by_the_words_they_share() -> None:
    same, half, none = (
        float(one @ other)
        for one, other in (
            WORDS.encode(["red oak chair", "Chair: red, OAK"]),
            WORDS.encode(["red oak chair garden", "blue steel chair garden"]),
            WORDS.encode(["red oak chair", "blue steel lamp"]),
        )
    )
    assert abs(same - 1.0) < 1e-6
    assert 0.25 < half < 0.75
    assert abs(none) < 0.25


def test_a_vector_does_not_depend_on_its_neighbours() -> None:
    texts = [f"word{number} and word{number % 7}" for number in range(5_000)]
    together_MT = WORDS.encode(texts)
    assert torch.equal(together_MT[4_990:], WORDS.encode(texts[4_990:]))


def test_a_vector_is_the_same_everywhere() -> None:
    """The places and signs come from blake2b, so a release serves what its trainer saw."""
    (vector_T,) = WORDS.encode(["kettle"])
    assert vector_T.nonzero().ravel().tolist() == [2, 5, 30, 50, 63, 116, 153, 215]


def test_a_text_without_words_is_zero_and_a_long_one_is_cut() -> None:
    nothing, long, cut = WORDS.encode(["?!", "a b c d e f g h i j", "a b c d e f g h"])
    assert not nothing.any()
    assert torch.equal(long, cut)


def test_the_digest_names_what_decides_a_vector() -> None:
    longer = WordVectors(EncoderConfig(model="words", max_tokens=9))
    assert WORDS.digest == WordVectors(EncoderConfig(model="words", max_tokens=8)).digest
    assert WORDS.digest != longer.digest
