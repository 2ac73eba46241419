"""Train the text encoder with the ranking loss: a low-rank adapter, or all of its weights.

In each step, a few texts of the items that the batch reads are encoded with gradients and replace
the text vectors of those items. All other vectors stay as they were last encoded.

The whitening keeps the directions fitted on the untrained encoder, and its mean follows the texts.
To a language model the texts are so alike that a step moves all of them the same way. The
whitening scales up differences between texts, and this common movement too: with a fixed mean, all
vectors were the same after a few epochs (docs/log.md). The encoder runs as in serving, without
dropout, so that all ranks compute the same vectors.

    N  items      P  texts read with gradients      R  raw vector      T  whitened vector
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from recommender.bundle import Bundle
from recommender.config import EncoderConfig
from recommender.encoder.adapter import Adapter
from recommender.encoder.encoder import BATCH_TEXTS, EncoderError, TextEncoder, load_encoder
from recommender.item_arrays import Whitening
from recommender.network.model import ItemFacts
from trainer.config import TrainConfig
from trainer.data.encoding_team import join_shares, split
from trainer.data.neighbour_names import encoder_text
from trainer.learning.recomputed_layers import RecomputedLayers
from trainer.learning.texts_in_parts import TextsInParts
from trainer.machine import distributed
from trainer.machine.device import CPU, to_device

BETAS = (0.9, 0.99)
MAX_GRADIENT_NORM = 1.0
_DOWN, _UP = ".lora_A.default.weight", ".lora_B.default.weight"
_TEXTS = "texts_NT"


class TextLearner:
    """A source of facts that trains the text encoder of a new bundle.

    The encoder's learning rate follows the course of the full training's rate, `full_lr`.
    """

    def __init__(
        self,
        bundle: Bundle,
        encoder: TextEncoder,
        *,
        config: TrainConfig,
    ) -> None:
        self._encoder = encoder
        self._facts = replace(bundle.facts, texts_NT=bundle.texts_NT.to(torch.float, copy=True))
        self._whitening = bundle.whitening
        self._full_lr = config.full_lr
        self._rows = [
            row for row in range(len(bundle.catalogue)) if bool(bundle.facts.has_text_N[row])
        ]
        read = partial(encoder_text, bundle.catalogue, with_names=config.neighbour_names)
        self._texts = {row: read(row) or "" for row in self._rows}
        self._untrained_NR = torch.zeros(len(bundle.catalogue), encoder.width)
        self._untrained_NR[self._rows] = self._encode_all()
        _prepare(encoder, config.seed)
        self._recomputed = RecomputedLayers(encoder.network)
        if config.encoder_memory.recompute_layers:
            self._recomputed.begin()
        size = config.encoder_memory.texts_at_once
        self._in_parts = TextsInParts(encoder.encode_for_gradients, size=size)
        self._weights = {
            name: weight
            for name, weight in encoder.network.named_parameters()
            if weight.requires_grad
        }
        self._adam = torch.optim.AdamW(
            self._weights.values(), lr=0.0, betas=BETAS, weight_decay=0.0
        )

    @property
    def last_facts(self) -> ItemFacts:
        """Return the facts as they were last computed."""
        return self._facts

    def facts(self, rows_X: Tensor, read_rows: Callable[[], Tensor], *, seed: int) -> ItemFacts:
        """Return the facts of the rows, with some of the read texts encoded with gradients.

        The seed decides which texts.
        """
        read_X = read_rows()
        with_text_X = read_X[self._facts.has_text_N[read_X]]
        order_X = torch.randperm(len(with_text_X), generator=torch.Generator().manual_seed(seed))
        picked_P = with_text_X[order_X[: self._encoder.config.texts_per_step]]
        if not len(picked_P):
            return self._facts.at(rows_X)
        raw_PR = self._in_parts.encode([self._texts[row] for row in picked_P.tolist()])
        drift_R = (raw_PR - self._untrained_NR[picked_P.cpu()]).mean(0)
        read_PT = self._whitening.apply(raw_PR - drift_R).to(self._facts.texts_NT.device)
        self._facts.texts_NT[picked_P] = read_PT.detach()
        facts, place_P = self._facts.at(rows_X), torch.searchsorted(rows_X, picked_P)
        return replace(facts, texts_NT=facts.texts_NT.index_put((place_P,), read_PT))

    def gradients(self) -> list[Tensor]:
        """Return all gradients in a fixed order; zeros for a weight that took no part."""
        self._in_parts.hand_on()
        for weight in self._weights.values():
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        return [weight.grad for weight in self._weights.values() if weight.grad is not None]

    def step(self, *, lr: float) -> None:
        """Change the encoder's weights at its own rate times `lr / full_lr`; clear gradients."""
        self._in_parts.hand_on()
        nn.utils.clip_grad_norm_(self._weights.values(), MAX_GRADIENT_NORM)
        self._adam.param_groups[0]["lr"] = self._encoder.config.lr * lr / self._full_lr
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)

    def refresh(self) -> None:
        """Encode all texts with the current weights, each rank its share."""
        self._encode_again()

    def state(self) -> dict[str, Tensor]:
        """Return weights, optimiser state and text vectors as named tensors for a checkpoint."""
        tensors = {_TEXTS: self._facts.texts_NT, **self._weights}
        for name, weight in self._weights.items():
            tensors |= {
                f"{name}/{key}": value for key, value in self._adam.state.get(weight, {}).items()
            }
        return {
            name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()
        }

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self._facts.texts_NT.copy_(tensors[_TEXTS])
        for name, weight in self._weights.items():
            weight.copy_(tensors[name])
            if f"{name}/step" in tensors:
                moments = {
                    key: tensors[f"{name}/{key}"].to(weight.device, copy=True)
                    for key in ("exp_avg", "exp_avg_sq")
                }
                self._adam.state[weight] = {"step": tensors[f"{name}/step"].clone(), **moments}

    def finish(self, bundle: Bundle) -> Bundle:
        """Return the bundle with the trained encoder and the vectors of all texts.

        The vectors are rounded as they are stored. Call it once, at the end.
        """
        encoder = self._encoder
        self._recomputed.end()
        encoder.settle(_extract_adapter(encoder) if encoder.config.train == "lora" else None)
        whitening = self._encode_again()
        facts = to_device(replace(self._facts, texts_NT=self._facts.texts_NT.half().float()), CPU)
        manifest = replace(bundle.manifest, encoder_digest=encoder.digest)
        return replace(bundle, facts=facts, encoder=encoder, whitening=whitening, manifest=manifest)

    def _encode_again(self) -> Whitening:
        raw_NR = self._encode_all()
        drift_R = (raw_NR - self._untrained_NR[self._rows]).mean(0)
        whitening = replace(self._whitening, mean_R=self._whitening.mean_R + drift_R)
        self._facts.texts_NT[self._rows] = whitening.apply(raw_NR).to(self._facts.texts_NT.device)
        return whitening

    def _encode_all(self) -> Tensor:
        """Return the raw vectors of all texts, the same on all ranks for any number of them."""
        texts = [self._texts[row] for row in self._rows]
        order = self._encoder.by_length(texts)
        shares = split(len(order), BATCH_TEXTS, distributed.num_ranks())
        mine = self._encoder.encode([texts[order[at]] for at in shares[distributed.rank()]])
        sorted_NR = join_shares(shares, distributed.from_all(mine))
        raw_NR = torch.empty_like(sorted_NR)
        raw_NR[order] = sorted_NR
        return raw_NR


def text_learner(bundle: Bundle, config: TrainConfig) -> TextLearner | None:
    """Return the learner of a new bundle's encoder; raise EncoderError.

    Return None when the encoder stays frozen or no item has a text.
    """
    if config.encoder.train == "frozen" or bundle.manifest.encoder_digest is None:
        return None
    encoder = bundle.encoder or load_encoder(config.encoder)
    return TextLearner(bundle, encoder, config=config)


def _prepare(encoder: TextEncoder, seed: int) -> None:
    """Make the encoder's network trainable in place, the same on every rank."""
    if encoder.config.train == "full":
        nn.Module.float(encoder.network).requires_grad_(requires_grad=True)
        return
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise EncoderError(
            "train.encoder.train = 'lora' needs the package peft; run: pip install peft "
            "(pyproject.toml has the version)"
        ) from error
    config = encoder.config
    # Wrapped so that peft does not see a transformers model: for some mixtures of experts it would
    # replace the requested layers by others.
    wrapped = nn.ModuleDict({"network": encoder.network})
    layers = [f"network.{name}" for name in lora_layers(encoder.network, config)]
    settings = LoraConfig(
        r=config.lora_rank, lora_alpha=config.lora_alpha, target_modules=layers, lora_dropout=0.0
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder.network.requires_grad_(requires_grad=False)
        inject_adapter_in_model(settings, wrapped)
    for weight in encoder.network.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()  # small steps are lost in half precision


def lora_layers(network: nn.Module, config: EncoderConfig) -> list[str]:
    """Return the full names of the linear layers that get an adapter.

    Raise EncoderError when the network has none, or none that the settings name.
    """
    linear = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    # A pooler comes after the hidden states that we pool.
    linear = [name for name in linear if "pooler" not in name]
    if not linear:
        raise EncoderError(
            f"encoder {config.model} has no linear layers for an adapter; "
            "set train.encoder.train to frozen or full"
        )
    if config.lora_targets == "all":
        return linear
    wanted = tuple(name.strip() for name in config.lora_targets.split(","))
    found = [name for name in linear if name.rsplit(".", 1)[-1] in wanted]
    if not found:
        known = sorted({name.rsplit(".", 1)[-1] for name in linear})
        raise EncoderError(
            f"encoder {config.model}: lora_targets = {config.lora_targets!r} names none of its "
            f"layers; it has {', '.join(known)}"
        )
    return found


def _extract_adapter(encoder: TextEncoder) -> Adapter:
    """Remove peft's layers from the network, restoring the original, and return the adapter."""
    learned = {
        name: weight.detach().float().cpu().clone()
        for name, weight in encoder.network.named_parameters()
        if weight.requires_grad
    }
    names = [name.removesuffix(_DOWN) for name in learned if name.endswith(_DOWN)]
    for name in names:
        parent, _, child = name.rpartition(".")
        setattr(
            encoder.network.get_submodule(parent),
            child,
            encoder.network.get_submodule(name).base_layer,
        )
    return Adapter(
        layers={name: (learned[name + _DOWN], learned[name + _UP]) for name in names},
        scale=encoder.config.lora_scale,
    )
