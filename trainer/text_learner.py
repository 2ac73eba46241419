"""Training of the text encoder together with the ranking loss: a low-rank adapter (peft), or all of its weights.

In each step a few of the texts that the batch is about are read with gradients and stand in for
those items' text vectors; all others stay as they were last read. The whitening's directions are
those fitted on the untrained encoder; its mean follows the texts. Texts are so alike to a language
model that a step moves all of them the same way, and the whitening, which scales up how they
differ, scales that up too: without the following mean all vectors were one after a few epochs
(docs/log.md). The encoder runs as it serves, without dropout, so that several ranks see the same.
Knows nothing of batches, nor of the optimiser of the rest.

    N  items      P  texts read with gradients      R  raw vector      T  whitened vector
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from recommender.adapter import Adapter
from recommender.bundle import Bundle, Whitening
from recommender.config import EncoderConfig
from recommender.encoder import EncoderError, TextEncoder, load_encoder
from recommender.model import ItemFacts
from trainer import distributed
from trainer.config import TrainConfig
from trainer.device import CPU, moved

BETAS = (0.9, 0.99)
MAX_GRADIENT_NORM = 1.0
_DOWN, _UP = ".lora_A.default.weight", ".lora_B.default.weight"
_TEXTS = "texts_NT"


class TextLearner:
    """Trains the encoder of a new bundle. `full_lr` is the rate whose course the encoder's own rate follows."""

    def __init__(
        self, bundle: Bundle, encoder: TextEncoder, *, full_lr: float, seed: int = 0
    ) -> None:
        self._encoder = encoder
        self._facts = replace(bundle.facts, texts_NT=bundle.texts_NT.clone())
        self._whitening = bundle.whitening
        self._full_lr = full_lr
        self._rows = [
            row for row in range(len(bundle.catalogue)) if bool(bundle.facts.has_text_N[row])
        ]
        self._texts = {row: bundle.catalogue.text(row) or "" for row in self._rows}
        self._untrained_NR = torch.zeros(len(bundle.catalogue), encoder.width)
        self._untrained_NR[self._rows] = distributed.from_first(self._read)
        _prepare(encoder, seed)
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
        """Return the facts as they were last read."""
        return self._facts

    def facts(self, rows_X: Tensor, *, seed: int) -> ItemFacts:
        """Return the facts with some of the rows' texts read anew, through which gradients flow; which ones the seed decides."""
        told_X = rows_X[self._facts.has_text_N[rows_X]]
        order_X = torch.randperm(len(told_X), generator=torch.Generator().manual_seed(seed))
        picked_P = told_X[order_X[: self._encoder.config.texts_per_step]]
        if not len(picked_P):
            return self._facts
        raw_PR = self._encoder.encode_for_gradients([self._texts[row] for row in picked_P.tolist()])
        drift_R = (raw_PR - self._untrained_NR[picked_P.cpu()]).mean(0)
        read_PT = self._whitening.apply(raw_PR - drift_R).to(self._facts.texts_NT.device)
        self._facts.texts_NT[picked_P] = read_PT.detach()
        return replace(self._facts, texts_NT=self._facts.texts_NT.index_put((picked_P,), read_PT))

    def gradients(self) -> list[Tensor]:
        """Return all gradients in a fixed order, zeros where a weight had no part."""
        for weight in self._weights.values():
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        return [weight.grad for weight in self._weights.values() if weight.grad is not None]

    def step(self, *, lr: float) -> None:
        """Move the encoder's weights, at its own rate times the share of the full rate that `lr` is; then clear the gradients."""
        nn.utils.clip_grad_norm_(self._weights.values(), MAX_GRADIENT_NORM)
        self._adam.param_groups[0]["lr"] = self._encoder.config.lr * lr / self._full_lr
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)

    def refresh(self) -> None:
        """Read all texts with the encoder as it is now; on several ranks the first one does it for all."""
        self._reread()

    def state(self) -> dict[str, Tensor]:
        """Return weights, optimiser state and text vectors as named tensors, for a checkpoint."""
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
        """Take over what `state` returned."""
        self._facts.texts_NT.copy_(tensors[_TEXTS])
        for name, weight in self._weights.items():
            weight.copy_(tensors[name])
            if f"{name}/step" in tensors:
                moments = {
                    key: tensors[f"{name}/{key}"].to(weight.device, copy=True)
                    for key in ("exp_avg", "exp_avg_sq")
                }
                self._adam.state[weight] = {"step": tensors[f"{name}/step"].clone(), **moments}

    def learned(self, bundle: Bundle) -> Bundle:
        """Return the bundle with the trained encoder and every text read by it, rounded as they are stored. Call it once, at the end."""
        encoder = self._encoder
        encoder.settle(_taken_out(encoder) if encoder.config.train == "lora" else None)
        whitening = self._reread()
        facts = moved(replace(self._facts, texts_NT=self._facts.texts_NT.half().float()), CPU)
        manifest = replace(bundle.manifest, encoder_digest=encoder.digest)
        return replace(bundle, facts=facts, encoder=encoder, whitening=whitening, manifest=manifest)

    def _reread(self) -> Whitening:
        raw_NR = distributed.from_first(self._read)
        drift_R = (raw_NR - self._untrained_NR[self._rows]).mean(0)
        whitening = replace(self._whitening, mean_R=self._whitening.mean_R + drift_R)
        self._facts.texts_NT[self._rows] = whitening.apply(raw_NR).to(self._facts.texts_NT.device)
        return whitening

    def _read(self) -> Tensor:
        return self._encoder.encode([self._texts[row] for row in self._rows])


def text_learner(bundle: Bundle, config: TrainConfig) -> TextLearner | None:
    """Return what trains the encoder of a new bundle; None where it stays frozen or no item has a text. Raise EncoderError."""
    if config.encoder.train == "frozen" or bundle.manifest.encoder_digest is None:
        return None
    encoder = bundle.encoder or load_encoder(config.encoder)
    return TextLearner(bundle, encoder, full_lr=config.full_lr, seed=config.seed)


def _prepare(encoder: TextEncoder, seed: int) -> None:
    """Make the encoder's network trainable in place, the same on every rank."""
    if encoder.config.train == "full":
        nn.Module.float(encoder.network).requires_grad_(requires_grad=True)
        return
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise EncoderError(
            "train.encoder.train = 'lora' needs peft; run: pip install peft (pyproject.toml has the version)"
        ) from error
    config = encoder.config
    # Wrapped, so that peft does not see a transformers model: with some mixtures of experts it
    # would exchange the layers asked for.
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
    """Return the full names of the linear layers that get an adapter; raise EncoderError when there is none or the settings name none."""
    linear = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    linear = [
        name for name in linear if "pooler" not in name
    ]  # it stands behind the hidden states that we pool
    if not linear:
        raise EncoderError(
            f"encoder {config.model}: an adapter needs linear layers, and it has none; set train.encoder.train to frozen or full"
        )
    if config.lora_targets == "all":
        return linear
    wanted = tuple(name.strip() for name in config.lora_targets.split(","))
    found = [name for name in linear if name.rsplit(".", 1)[-1] in wanted]
    if not found:
        known = sorted({name.rsplit(".", 1)[-1] for name in linear})
        raise EncoderError(
            f"encoder {config.model}: lora_targets = {config.lora_targets!r} names no layer; it has {', '.join(known)}"
        )
    return found


def _taken_out(encoder: TextEncoder) -> Adapter:
    """Take peft's layers out of the network, which is then as it was, and return what they learned."""
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
