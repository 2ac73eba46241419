"""The model that says in words what a picture shows: any Hugging Face model for that.

It works with models that write a caption without being asked for one (BLIP, GIT, vision encoder
decoders), and not with those that need a prompt. It runs in the trainer alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch

from recommender.encoder.encoder_model import in_one_line
from recommender.encoder.encoder_source import EncoderError, EncoderSource, find_source
from recommender.encoder.picture_encoder import blank_picture, open_picture
from recommender.encoder.vision_model import load_network, load_processor, refuse_damaged

BATCH_PICTURES = 16


class Captioner:
    """A loaded model with its processor and tokenizer.

    `digest` identifies everything that decides a caption.
    """

    def __init__(self, model: str, source: EncoderSource, *, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._processor, self._tokenizer, self._network = _load(model, source)
        self.digest = self._digest()
        self._network.to(self._device)

    @torch.inference_mode()
    def captions(self, pictures: Sequence[bytes]) -> list[str]:
        """Return the likeliest words of each picture, in the order given."""
        found: list[str] = []
        for start in range(0, len(pictures), BATCH_PICTURES):
            some = [open_picture(one) for one in pictures[start : start + BATCH_PICTURES]]
            read = self._processor(images=some, return_tensors="pt")
            written = self._network.generate(
                pixel_values=read["pixel_values"].to(self._device),
                max_new_tokens=self._max_tokens,
                do_sample=False,
                num_beams=1,
            )
            texts = self._tokenizer.batch_decode(written, skip_special_tokens=True)
            found += [" ".join(text.split()) for text in texts]
        return found

    def _digest(self) -> str:
        words = sorted(self._tokenizer.get_vocab().items())
        start = f"{self._max_tokens} {self._processor.to_json_string()} {words}"
        digest = hashlib.sha256(start.encode())
        for name, weight in sorted(self._network.state_dict().items()):
            digest.update(name.encode())
            digest.update(weight.contiguous().view(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()


def load_captioner(model: str, *, max_tokens: int) -> Captioner:
    """Load a model by hub name, folder or wheel; raise EncoderError when it writes no captions."""
    captioner = Captioner(model, find_source(model), max_tokens=max_tokens)
    try:
        captioner.captions([blank_picture()])
    except Exception as error:  # an unsuitable model may raise anything
        raise EncoderError(
            f"captions {model}: it can't say what a picture shows ({in_one_line(error)}); name a "
            "model such as a BLIP or GIT, which needs no prompt"
        ) from error
    return captioner


def _load(model: str, source: EncoderSource) -> tuple[Any, Any, Any]:
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    with refuse_damaged(f"captions {model}", source):
        tokenizer: Any = AutoTokenizer.from_pretrained(source.folder)
        network = load_network(AutoModelForImageTextToText, source, dtype=torch.float32)
        return load_processor(source), tokenizer, network
