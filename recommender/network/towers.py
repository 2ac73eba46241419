"""The two trained user towers: a transformer and an LSTM.

The transformer is causal and pre-norm, with biases for relative time and place. Both map input_BSD
and the times at_s_BS (NaN: unknown) to state_BSD; no state depends on later events. Letters are
those of `recommender.network.model`; P = S × S pairs; Y = B × S rows, and padding while serving.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from recommender.config import ModelConfig
from recommender.network.dropout import Dropout, no_dropout
from recommender.network.linear import linear, through, with_padding
from recommender.network.tensors import last_of

NUM_TIME_BUCKETS = 28  # 0: unknown; 1: no gap; then doubling from one second to four years
NUM_PLACE_BUCKETS = 16  # doubling in half steps: 0, 1, 2, 3, 4-5, 6-7, …
TABLE_COPIES = 512  # on a GPU; not searched


def time_buckets(gap_s: Tensor) -> Tensor:
    """Return the bucket of each gap in seconds; NaN (an unknown time) is bucket 0.

    A negative gap counts as no gap.
    """
    # In place, since new memory for a hundred thousand gaps takes longer than the sums.
    exponent = gap_s.clamp(min=0.0).add_(1.0).log2_().ceil_().add_(1.0)
    return exponent.nan_to_num_(0.0).clamp_(0, NUM_TIME_BUCKETS - 1).int()


def place_buckets(num_states: int) -> Tensor:
    """Return the bucket of each distance between `num_states` places, earlier ones in columns."""
    place_S = torch.arange(num_states)
    distance_SS = (place_S.unsqueeze(1) - place_S.unsqueeze(0)).clamp(min=0).float()
    return (torch.log2(distance_SS + 1.0) * 2.0).floor().clamp(0, NUM_PLACE_BUCKETS - 1).long()


@cache
def _places_before(num_states: int) -> Tensor:
    """Return `place_buckets`, and NUM_PLACE_BUCKETS for later places, of at most `num_states`."""
    later_SS = torch.ones(num_states, num_states, dtype=torch.bool).triu(1)
    return place_buckets(num_states).masked_fill(later_SS, NUM_PLACE_BUCKETS).int()


class TransformerTower(nn.Module):
    """Attention with biases for how long ago and how many events ago something happened."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.time_bias = nn.Embedding(NUM_TIME_BUCKETS, config.num_heads)
        self.place_bias = nn.Embedding(NUM_PLACE_BUCKETS, config.num_heads)
        nn.init.zeros_(self.time_bias.weight)
        nn.init.zeros_(self.place_bias.weight)
        self.gap_embedding = nn.Embedding(NUM_TIME_BUCKETS, config.dim)
        nn.init.normal_(self.gap_embedding.weight, std=0.02)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, input_BSD: Tensor, at_s_BS: Tensor, dropout: Dropout = no_dropout) -> Tensor:
        bias_HBSS, state_YD = self._prepare(input_BSD, at_s_BS)
        for layer in self.layers:
            state_YD = layer(state_YD, bias_HBSS.transpose(0, 1), dropout)
        normed_BSD: Tensor = self.norm(_without_padding(state_YD, input_BSD.shape))
        return normed_BSD

    def last(self, input_BSD: Tensor, at_s_BS: Tensor, length_B: Tensor) -> Tensor:
        """Return state_BD after each whole history; the last layer computes only these."""
        bias_HBSS, state_YD = self._prepare(input_BSD, at_s_BS)
        for layer in self.layers[:-1]:
            state_YD = layer(state_YD, bias_HBSS.transpose(0, 1), no_dropout)
        num_users, num_states, _ = input_BSD.shape
        last_B = length_B + torch.arange(
            0, num_users * num_states, num_states, device=length_B.device
        )
        bias_BHS = bias_HBSS.flatten(1, 2).index_select(1, last_B).transpose(0, 1)
        last_layer = cast(_Layer, self.layers[-1])
        normed_BD: Tensor = self.norm(last_layer.last(state_YD, bias_BHS, last_B))
        return normed_BD

    def _prepare(self, input_BSD: Tensor, at_s_BS: Tensor) -> tuple[Tensor, Tensor]:
        """Return the biases of attention, −inf for later events, and the first layer's input."""
        gap_BSS = (at_s_BS.unsqueeze(2) - at_s_BS.unsqueeze(1)).float()
        bucket_BSS = time_buckets(gap_BSS)
        # the gap before each event is that of the pair with the event before it
        last_gap_BS = F.pad(bucket_BSS.diagonal(-1, 1, 2), (1, 0))
        state_BSD = input_BSD + self.gap_embedding(last_gap_BS)
        return self._biases(bucket_BSS), with_padding(state_BSD.flatten(0, 1))

    def _biases(self, bucket_BSS: Tensor) -> Tensor:
        """Return bias_HBSS of pairs of states by the buckets of their gaps, and by their places.

        Both biases come from one table that has their sums.
        """
        num_states = bucket_BSS.shape[1]
        places_SS = _places_before(1 << (num_states - 1).bit_length())[:num_states, :num_states]
        place_HP = F.pad(self.place_bias.weight.T, (0, 1), value=-math.inf)
        table_HTP = self.time_bias.weight.T.unsqueeze(2) + place_HP.unsqueeze(1)
        column_BSS = torch.add(
            places_SS.to(bucket_BSS.device), bucket_BSS, alpha=NUM_PLACE_BUCKETS + 1
        )
        return look_up_columns(table_HTP.flatten(1), column_BSS)


class _Layer(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.head_width = config.dim // config.num_heads
        self.attention_norm = nn.LayerNorm(config.dim)
        self.qkv = nn.Linear(config.dim, 3 * config.dim)
        self.merge = nn.Linear(config.dim, config.dim)
        self.hidden_norm = nn.LayerNorm(config.dim)
        self.widen = nn.Linear(config.dim, 2 * config.dim)
        self.narrow = nn.Linear(2 * config.dim, config.dim)

    def forward(self, state_YD: Tensor, bias_BHSS: Tensor, dropout: Dropout) -> Tensor:
        num_users, _, num_states, _ = bias_BHSS.shape
        qkv_YD = through(self.qkv, self.attention_norm(state_YD))
        query, key, value = self._heads(qkv_YD, num_users, num_states)
        seen_BHSd = F.scaled_dot_product_attention(query, key, value, attn_mask=bias_BHSS)
        seen_YD = with_padding(seen_BHSd.transpose(1, 2).flatten(0, 1).flatten(1))
        return self._rest(state_YD, seen_YD, dropout)

    def last(self, state_YD: Tensor, bias_BHS: Tensor, last_B: Tensor) -> Tensor:
        """Return the layer's state_BD of one row for each user, which has one query."""
        num_users, _, num_states = bias_BHS.shape
        width = state_YD.shape[1]
        normed_YD = self.attention_norm(state_YD)
        weight, bias = self.qkv.weight, self.qkv.bias
        query_BD = F.linear(normed_YD.index_select(0, last_B), weight[:width], bias[:width])
        key, value = self._heads(
            linear(normed_YD, weight[width:], bias[width:]), num_users, num_states
        )
        seen_BH1d = F.scaled_dot_product_attention(
            query_BD.view(num_users, self.num_heads, 1, -1),
            key,
            value,
            attn_mask=bias_BHS.unsqueeze(2),
        )
        seen_BD = seen_BH1d.reshape(num_users, width)
        return self._rest(state_YD.index_select(0, last_B), seen_BD, no_dropout)

    def _heads(self, parts_YX: Tensor, num_users: int, num_states: int) -> tuple[Tensor, ...]:
        """Return the parts that are side by side in the columns, each as BHSd."""
        shape = (num_users, num_states, -1, self.num_heads, self.head_width)
        return _without_padding(parts_YX, shape).permute(2, 0, 3, 1, 4).unbind()

    def _rest(self, state_XD: Tensor, seen_XD: Tensor, dropout: Dropout) -> Tensor:
        """Return the layer's output from its input and what attention has read."""
        state_XD = state_XD + dropout(through(self.merge, seen_XD))
        hidden_XD = through(self.narrow, F.gelu(through(self.widen, self.hidden_norm(state_XD))))
        out_XD: Tensor = state_XD + dropout(hidden_XD)
        return out_XD


class LstmTower(nn.Module):
    """The LSTM of the project's first design, with the gap before each event as an input."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gap_embedding = nn.Embedding(NUM_TIME_BUCKETS, config.dim)
        nn.init.normal_(self.gap_embedding.weight, std=0.02)
        self.lstm = nn.LSTM(config.dim, config.dim, num_layers=1, batch_first=True)
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, input_BSD: Tensor, at_s_BS: Tensor, dropout: Dropout = no_dropout) -> Tensor:
        state_BSD, _ = self.lstm(input_BSD + self.gap_embedding(time_buckets(_gaps(at_s_BS))))
        normed_BSD: Tensor = self.norm(input_BSD + dropout(state_BSD))
        return normed_BSD

    def last(self, input_BSD: Tensor, at_s_BS: Tensor, length_B: Tensor) -> Tensor:
        """Return state_BD after each whole history."""
        return last_of(self(input_BSD, at_s_BS), length_B)


def _without_padding(value_YX: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the rows of users and states without the padding; the first two sizes are theirs."""
    return value_YX[: shape[0] * shape[1]].view(*shape)


def look_up_columns(table_HR: Tensor, columns_X: Tensor) -> Tensor:
    """Look columns up in a table; return them as H × the columns' shape.

    The gradient of an index selection takes a fortieth of the time of an embedding's when there are
    this few columns, if their numbers are 64-bit: for others torch has a slow path. On a GPU all
    threads would add to the same few numbers one after another, so they take turns among copies of
    the table.
    """
    picked_X = columns_X.flatten()
    if torch.is_grad_enabled():
        picked_X = picked_X.long()
    if columns_X.device.type != "cpu":
        picked_X = (
            picked_X
            + torch.arange(len(picked_X), device=columns_X.device)
            % TABLE_COPIES
            * table_HR.shape[1]
        )
        table_HR = table_HR.repeat(1, TABLE_COPIES)
    return table_HR.index_select(1, picked_X).view(-1, *columns_X.shape)


def _gaps(at_s_BS: Tensor) -> Tensor:
    """Return the seconds since the previous event; NaN for the first and for unknown times."""
    return F.pad((at_s_BS[:, 1:] - at_s_BS[:, :-1]).float(), (1, 0), value=float("nan"))
