"""The picture encoder: any Hugging Face vision model that turns a picture into one vector.

It works with models that `AutoModel` loads: those of pictures and texts (CLIP, SigLIP), which also
read texts (`text_tower`), and those of pictures alone (DINOv2, ViT, ResNet, timm's).
The model's own processor cuts and scales, always by Pillow, so that vectors do not depend on which
packages a machine has. Weights are rounded to half precision when they are loaded, so the copy
packed in a bundle gives the vectors that the trainer saw.

    M  pictures      P  width of a vector
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from recommender.config import PictureEncoderConfig
from recommender.encoder.encoder_model import in_one_line
from recommender.encoder.encoder_source import EncoderError, EncoderSource, find_source
from recommender.encoder.text_tower import TextTower, features, open_text_tower
from recommender.encoder.vision_model import load_network, load_processor, refuse_damaged
from recommender.records.images import FORMATS
from recommender.records.pixels import on_white, upright_colours

if TYPE_CHECKING:
    from PIL.Image import Image

BATCH_PICTURES = 32
MAX_PIXELS = 50_000_000  # unpacked they take 150 MB


class UnreadablePicture(ValueError):
    """Bytes that are not a picture, or too large a one."""


class PictureEncoder:
    """A loaded vision model with its processor.

    `digest` identifies weights, processor and tokenizer together.
    """

    def __init__(
        self,
        config: PictureEncoderConfig,
        source: EncoderSource,
        *,
        device: str | None = None,
        is_exact: bool = False,
    ) -> None:
        self.config = config
        self._is_exact = is_exact
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._processor, self._network = _load(config, source)
        self._half = torch.bfloat16 if self._network.dtype == torch.bfloat16 else torch.float16
        self._network.to(self._half)
        self._texts: TextTower | None = open_text_tower(self._network, source)
        self.digest = self._digest()
        self._network.to(torch.float32).to(self._device)
        self._has_pooler = _has_pooler(self._network)

    @torch.inference_mode()
    def encode(self, pictures: Sequence[bytes]) -> Tensor:
        """Return unit vectors_MP, float32, in the order given; raise UnreadablePicture."""
        parts = []
        for start in range(0, len(pictures), BATCH_PICTURES):
            parts.append(self._encode_batch(pictures[start : start + BATCH_PICTURES]))
        return torch.cat(parts) if parts else torch.empty(0, self.width)

    @property
    def reads_texts(self) -> bool:
        """Whether texts have vectors in the space of the pictures'."""
        return self._texts is not None

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Return unit vectors_MP of at least one text, near to pictures of what it says."""
        assert self._texts is not None
        return self._texts.encode(texts, device=self._device)

    @property
    def width(self) -> int:
        """Length of a vector."""
        return self.encode([blank_picture()]).shape[1]

    def save(self, folder: Path) -> None:
        """Write a Hugging Face folder with processor, tokenizer and weights, in half precision."""
        self._network.to(self._half)
        self._network.save_pretrained(folder)
        self._network.to(torch.float32)
        self._processor.save_pretrained(folder)
        if self._texts is not None:
            self._texts.save(folder)

    def _encode_batch(self, pictures: Sequence[bytes]) -> Tensor:
        read = self._processor(images=list(map(open_picture, pictures)), return_tensors="pt")
        inputs = {name: value.to(self._device) for name, value in read.items()}
        on_gpu = self._device.startswith("cuda") and not self._is_exact
        is_bfloat16 = on_gpu and torch.cuda.is_bf16_supported()
        with torch.autocast("cuda", torch.bfloat16, enabled=is_bfloat16):
            raw_MP = _vectors_of(self._network, inputs, has_pooler=self._has_pooler)
        return torch.nn.functional.normalize(raw_MP.float(), dim=1).cpu()

    def _digest(self) -> str:
        digest = hashlib.sha256(self._processor.to_json_string().encode())
        if self._texts is not None:
            digest.update(self._texts.digest().encode())
        for name, weight in sorted(self._network.state_dict().items()):
            half = weight.contiguous().view(-1).to(self._half).view(torch.int16)
            digest.update(name.encode())
            digest.update(half.cpu().numpy().data)
        return digest.hexdigest()


def load_picture_encoder(
    config: PictureEncoderConfig,
    folder: Path | None = None,
    *,
    device: str | None = None,
    is_exact: bool = False,
) -> PictureEncoder:
    """Load a vision model from a bundle's folder or its source; raise EncoderError.

    Without `device` a GPU is used when there is one, in bfloat16 where it has that unless the
    vectors must be exact.
    """
    if config.model is None:
        raise EncoderError("train.pictures.model is not set, so there is no picture encoder")
    source = EncoderSource(folder=str(folder)) if folder is not None else find_source(config.model)
    encoder = PictureEncoder(config, source, device=device, is_exact=is_exact)
    try:
        encoder.encode([blank_picture()])
    except Exception as error:  # an unsuitable model may raise anything
        raise EncoderError(
            f"picture encoder {config.model}: it can't encode a picture ({in_one_line(error)}); "
            "name a vision model, such as a CLIP, SigLIP, DINOv2 or ViT"
        ) from error
    return encoder


def open_picture(content: bytes) -> Image:
    """Return a picture in colours; raise UnreadablePicture."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise UnreadablePicture(
                    f"a picture of {picture.width:,} × {picture.height:,} pixels"
                )
            return on_white(upright_colours(picture))
    except UnreadablePicture:
        raise
    except Exception as error:  # a damaged picture may raise anything
        raise UnreadablePicture(f"{len(content):,} bytes that are not a picture") from error


def blank_picture() -> bytes:
    """Return a small picture of nothing, to try an encoder."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (64, 48), "white").save(file, "PNG")
    return file.getvalue()


def _load(config: PictureEncoderConfig, source: EncoderSource) -> tuple[Any, Any]:
    """Load processor and model on the CPU; raise EncoderError."""
    from transformers import AutoModel

    with refuse_damaged(f"picture encoder {config.model}", source):
        network = load_network(AutoModel, source, dtype="auto")
        return load_processor(source), network


def _has_pooler(network: Any) -> bool:
    """Return whether the last layer was trained, if there is one; a missing one is zero."""
    layers = [weight for name, weight in network.named_parameters() if "pooler" in name.split(".")]
    return not layers or any(bool(weight.any()) for weight in layers)


def _vectors_of(network: Any, inputs: dict[str, Tensor], *, has_pooler: bool) -> Tensor:
    """Return one vector for each picture, as the kind of model gives it.

    That is the vector in the space that pictures share with texts, else the pooled output, else
    the first token, which stands for the whole picture.
    """
    if hasattr(network, "get_image_features"):
        return features(network.get_image_features(**inputs))
    output = network(**inputs)
    pooled = getattr(output, "pooler_output", None) if has_pooler else None
    if pooled is None:
        pooled = output.last_hidden_state[:, 0]
    flat: Tensor = pooled.flatten(1)
    return flat
