"""Tiny vision models with random weights, as Hugging Face folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

SIDE_PX = 32
_VISION: Mapping[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIDE_PX,
    "patch_size": 8,
}
_TEXT: Mapping[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 99,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
NUM_WORDS = 10  # of the tokenizer: a writer has no others
_WORDS: Mapping[str, Any] = {**_TEXT, "vocab_size": NUM_WORDS}
_SQUARE = {"height": SIDE_PX, "width": SIDE_PX}
_EDGE = {"shortest_edge": SIDE_PX}


def write_vision_model(folder: Path, kind: str = "dinov2", *, seed: int = 0) -> Path:
    """Write a tiny random model of a kind, with its processor, and return the folder."""
    torch.manual_seed(seed)
    network, processor = VISION_MODELS[kind]()
    network.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    if kind in TWO_TOWERS:
        _tokenizer().save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    """Return a tokenizer of some words, whose special tokens are those of the towers of texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ("<s>", "</s>", "<pad>", "<unk>", "a", "lamp", "red", "blue", "circle", "square")
    vocabulary = {word: number for number, word in enumerate(words)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=made, **names)


def _clip() -> tuple[Any, Any]:
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    vision = {**_VISION, "intermediate_size": 64}
    config: Any = CLIPConfig
    shape = config(text_config=dict(_TEXT), vision_config=vision, projection_dim=16)
    return CLIPModel(shape), CLIPImageProcessorPil(size=_EDGE, crop_size=_SQUARE)


def _siglip() -> tuple[Any, Any]:
    from transformers import SiglipConfig, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    vision = {**_VISION, "intermediate_size": 64}
    config: Any = SiglipConfig
    return SiglipModel(config(text_config=dict(_TEXT), vision_config=vision)), (
        SiglipImageProcessorPil(size=_SQUARE)
    )


def _siglip2() -> tuple[Any, Any]:
    from transformers import Siglip2Config, Siglip2Model
    from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

    vision = {**_VISION, "intermediate_size": 64, "num_patches": 16}
    config: Any = Siglip2Config
    return Siglip2Model(config(text_config=dict(_TEXT), vision_config=vision)), (
        Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16)
    )


def _dinov2() -> tuple[Any, Any]:
    from transformers import Dinov2Config, Dinov2Model
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

    return Dinov2Model(Dinov2Config(**_VISION)), (
        BitImageProcessorPil(size=_EDGE, crop_size=_SQUARE)
    )


def _vit_without_pooler() -> tuple[Any, Any]:
    from transformers import ViTConfig, ViTModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    config: Any = ViTConfig
    network = ViTModel(config(**_VISION, intermediate_size=64), add_pooling_layer=False)
    return network, ViTImageProcessorPil(size=_SQUARE)


TWO_TOWERS = ("clip", "siglip", "siglip2")  # models of pictures and texts
VISION_MODELS: Mapping[str, Callable[[], tuple[Any, Any]]] = {
    "clip": _clip,
    "siglip": _siglip,
    "siglip2": _siglip2,
    "dinov2": _dinov2,
    "vit": _vit_without_pooler,
}


def write_caption_model(folder: Path, kind: str = "blip", *, seed: int = 0) -> Path:
    """Write a tiny random model that writes captions, and return the folder."""
    torch.manual_seed(seed)
    network, processor = CAPTION_MODELS[kind]()
    network.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    return folder


def _blip() -> tuple[Any, Any]:
    from transformers import BlipConfig, BlipForConditionalGeneration
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    vision = {**_VISION, "intermediate_size": 64}
    text = {**_WORDS, "encoder_hidden_size": 32, "sep_token_id": 1}
    config: Any = BlipConfig
    shape = config(text_config=text, vision_config=vision, image_text_hidden_size=16)
    return BlipForConditionalGeneration(shape), BlipImageProcessorPil(size=_SQUARE)


def _vit_with_gpt2() -> tuple[Any, Any]:
    from transformers import (
        GPT2Config,
        VisionEncoderDecoderConfig,
        VisionEncoderDecoderModel,
        ViTConfig,
    )
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    vit: Any = ViTConfig
    gpt2: Any = GPT2Config
    writer = gpt2(
        vocab_size=NUM_WORDS,
        n_embd=32,
        n_layer=1,
        n_head=2,
        add_cross_attention=True,
        is_decoder=True,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    shape = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        vit(**_VISION, intermediate_size=64), writer
    )
    shape.decoder_start_token_id, shape.pad_token_id = 0, 2
    return VisionEncoderDecoderModel(shape), ViTImageProcessorPil(size=_SQUARE)


CAPTION_MODELS: Mapping[str, Callable[[], tuple[Any, Any]]] = {
    "blip": _blip,
    "vit-gpt2": _vit_with_gpt2,
}
