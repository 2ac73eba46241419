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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from recommender.bundle import Bundle
from recommender.encoder.encoder import BATCH_TEXTS, TextEncoder, load_encoder
from recommender.item_arrays import Whitening
from recommender.network.model import ItemFacts
from trainer.config import TrainConfig
from trainer.data.encoding_team import join_shares, split
from trainer.data.neighbour_names import encoder_text
from trainer.learning.trained_encoder import TrainedEncoder
from trainer.machine import distributed
from trainer.machine.device import CPU, to_device

_TEXTS = "texts_NT"
Encode = Callable[[Sequence[str]], Tensor]


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
        self._by_length, self._config = encoder.by_length, encoder.config
        self._facts = replace(bundle.facts, texts_NT=bundle.texts_NT.to(torch.float, copy=True))
        self._whitening = bundle.whitening
        self._full_lr = config.full_lr
        self._rows = [
            row for row in range(len(bundle.catalogue)) if bool(bundle.facts.has_text_N[row])
        ]
        read = partial(encoder_text, bundle.catalogue, with_names=config.neighbour_names)
        self._texts = {row: read(row) or "" for row in self._rows}
        self._untrained_NR = torch.zeros(len(bundle.catalogue), encoder.width)
        self._untrained_NR[self._rows] = self._encode_all(encoder.encode)
        self._trained = TrainedEncoder(encoder, config)

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
        picked_P = with_text_X[order_X[: self._config.texts_per_step]]
        if not len(picked_P):
            return self._facts.at(rows_X)
        raw_PR = self._trained.read([self._texts[row] for row in picked_P.tolist()])
        drift_R = (raw_PR - self._untrained_NR[picked_P.cpu()]).mean(0)
        read_PT = self._whitening.apply(raw_PR - drift_R).to(self._facts.texts_NT.device)
        self._facts.texts_NT[picked_P] = read_PT.detach()
        facts, place_P = self._facts.at(rows_X), torch.searchsorted(rows_X, picked_P)
        return replace(facts, texts_NT=facts.texts_NT.index_put((place_P,), read_PT))

    def gradients(self) -> list[Tensor]:
        """Return the gradients that have to be summed over ranks, in a fixed order."""
        return self._trained.gradients()

    def step(self, *, lr: float) -> None:
        """Change the encoder's weights at its own rate times `lr / full_lr`; clear gradients."""
        self._trained.step(lr=self._config.lr * lr / self._full_lr)

    def refresh(self) -> None:
        """Encode all texts with the current weights, each rank its share."""
        self._encode_again(self._trained.encode)

    def state(self) -> dict[str, Tensor]:
        """Return weights, optimiser state and text vectors as named tensors for a checkpoint.

        Every rank calls it, and the first one gets them.
        """
        state = self._trained.weights.state()
        if distributed.rank() == 0:
            state[_TEXTS] = self._facts.texts_NT.detach().cpu().clone().contiguous()
        return state

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned, which only the first rank has; every rank calls it."""
        self._facts.texts_NT.copy_(distributed.from_first(lambda: tensors[_TEXTS]))
        self._trained.weights.load(tensors)

    def finish(self, bundle: Bundle) -> Bundle:
        """Return the bundle with the trained encoder and the vectors of all texts.

        The vectors are rounded as they are stored. Call it once, at the end.
        """
        encoder = self._trained.finish()
        whitening = self._encode_again(encoder.encode)
        facts = to_device(replace(self._facts, texts_NT=self._facts.texts_NT.half().float()), CPU)
        manifest = replace(bundle.manifest, encoder_digest=encoder.digest)
        return replace(bundle, facts=facts, encoder=encoder, whitening=whitening, manifest=manifest)

    def _encode_again(self, encode: Encode) -> Whitening:
        raw_NR = self._encode_all(encode)
        drift_R = (raw_NR - self._untrained_NR[self._rows]).mean(0)
        whitening = replace(self._whitening, mean_R=self._whitening.mean_R + drift_R)
        self._facts.texts_NT[self._rows] = whitening.apply(raw_NR).to(self._facts.texts_NT.device)
        return whitening

    def _encode_all(self, encode: Encode) -> Tensor:
        """Return the raw vectors of all texts, the same on all ranks for any number of them."""
        texts = [self._texts[row] for row in self._rows]
        order = self._by_length(texts)
        shares = split(len(order), BATCH_TEXTS, distributed.num_ranks())
        mine = encode([texts[order[at]] for at in shares[distributed.rank()]])
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
