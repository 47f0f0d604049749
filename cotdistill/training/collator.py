"""Row numbers -> one batch of tensors. Everything that is counted is counted here, where nothing waits for a GPU."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from cotdistill.training.recorded import Recorded
from cotdistill.training.scored import Listed
from cotdistill.training.token_rows import IGNORED, Numbers, TokenRows

Batch: TypeAlias = dict[str, Any]
"""What the model reads, and besides: `targets` (N,) the trained tokens; `kept` (N,) their places among the scores that
the model is asked for, absent where these are all of them; `weights` (N,) of each in the loss, absent where all are 1;
`row_of` (N,) the row of each; `spans` (rows, 4) the place of each row (the columns of `scored.Span`); `read_tokens` and
`trained_tokens`, numbers; `listed`, where a teacher's alternatives were recorded, the columns of all rows as
`scored.Listed`."""


def needs_mask(model: PreTrainedModel) -> bool:
    """Whether the model must be told which tokens are padding. Padding stands at the end, so a model that reads from
    left to right never sees it, and without a mask attention skips half its work. Three kinds of models need a mask:
    those that also look to the right; mixtures of experts that balance their load over the real tokens; and those
    whose only attention is `eager` (Gemma 2), which reads a mask of tokens times tokens anyway: where transformers is
    not told of the padding it looks, and waits for the GPU, whether a row is several rows."""
    config = model.config.get_text_config()
    looks_right = not getattr(config, "is_causal", True)
    return looks_right or hasattr(config, "output_router_logits") or config._attn_implementation == "eager"


@dataclass
class Collator:
    """Makes batches of rows. `compact`: the model can be asked for the scores of some positions alone
    (`logits_to_keep`). `masked`: the model is told which tokens are padding."""

    rows: TokenRows
    pad_token_id: int
    packed: bool
    compact: bool = True
    masked: bool = False
    held_out: TokenRows = field(default_factory=TokenRows)
    recorded: Recorded | None = None
    """The teacher's log-probabilities of the rows that are trained on, where the loss learns from them."""

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> Batch:
        rows = self.held_out if examples[0]["held_out"] else self.rows
        numbers = [row for example in examples for row in example["rows"]]
        ids = [torch.from_numpy(rows.ids(row)) for row in numbers]
        labels = [torch.from_numpy(rows.labels(row)) for row in numbers]
        for one in labels:
            one[0] = IGNORED  # nothing comes before a row's first token to foretell it
        batch = self._one_sequence(ids) if self.packed else self._padded(ids)
        weights = [torch.full(one.shape, rows.weight(row)) for one, row in zip(ids, numbers, strict=True)]
        if self.packed:
            label, weight = torch.cat(labels)[None], torch.cat(weights)[None]
        else:
            label, weight = pad_sequence(labels, batch_first=True, padding_value=IGNORED), _stacked(weights)
        batch["read_tokens"] = sum(map(len, ids))
        batch["spans"] = self._spans([len(one) for one in ids], [rows.n_prompt(row) for row in numbers])
        counts = torch.from_numpy(batch["spans"][:, 3] - batch["spans"][:, 2] - 1)
        batch["row_of"] = torch.repeat_interleave(torch.arange(len(numbers)), counts)
        self._add_targets(batch, label, weight if rows.weighted else None)
        if self.recorded is not None and rows is self.rows:
            batch["listed"] = _listed(
                [self.recorded.listed(row) for row in numbers], [rows.n_prompt(row) for row in numbers]
            )
        return batch

    def _spans(self, lengths: Sequence[int], n_prompts: Sequence[int]) -> Numbers:
        rows, ends = np.arange(len(lengths)), np.cumsum(lengths)
        starts = ends - lengths if self.packed else np.zeros_like(ends)
        sequences = np.zeros_like(rows) if self.packed else rows
        return np.stack([sequences, starts, starts + np.maximum(n_prompts, 1) - 1, starts + lengths], axis=1)

    def _add_targets(self, batch: Batch, labels: torch.Tensor, weights: torch.Tensor | None) -> None:
        labels = labels[:, 1:]  # (B, L-1): the scores at a position are of the next token
        taught = labels != IGNORED
        if self.compact:
            places = taught.any(dim=0).nonzero().flatten()
            batch["logits_to_keep"] = places
            labels, taught = labels[:, places], taught[:, places]
            weights = None if weights is None else weights[:, 1:][:, places]
        else:  # the model scores its last position too
            labels, taught = _longer(labels, IGNORED), _longer(taught, False)
            weights = None if weights is None else _longer(weights[:, 1:], 0.0)
        batch["targets"] = labels[taught]
        if not bool(taught.all()):
            batch["kept"] = taught.flatten().nonzero().flatten()
        if weights is not None:
            batch["weights"] = weights[taught]
        batch["trained_tokens"] = len(batch["targets"])

    def _padded(self, ids: Sequence[torch.Tensor]) -> Batch:
        """Rows side by side, (B, L) each."""
        batch = {"input_ids": pad_sequence(list(ids), batch_first=True, padding_value=self.pad_token_id)}
        if self.masked:
            batch["attention_mask"] = pad_sequence([torch.ones_like(one) for one in ids], batch_first=True)
        return batch

    def _one_sequence(self, ids: Sequence[torch.Tensor]) -> Batch:
        """Rows one after the other in one sequence, (1, T) each, with positions that start from 0 in every row, and the
        rows' ends as the attentions that skip between rows want them (flash-attn's names). There is no mask, which
        would hide the ends."""
        lengths = torch.tensor([len(one) for one in ids])
        ends = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)]).to(torch.int32)
        longest = int(lengths.max())
        return {
            "input_ids": torch.cat(list(ids))[None],
            "position_ids": torch.cat([torch.arange(len(one)) for one in ids])[None],
            "cu_seq_lens_q": ends,
            "cu_seq_lens_k": ends,
            "max_length_q": longest,
            "max_length_k": longest,
            # Which row a token is in, for the short convolutions of linear attention.
            "seq_idx": torch.repeat_interleave(torch.arange(len(ids), dtype=torch.int32), lengths)[None],
        }


def _listed(rows: Sequence[Listed], n_prompts: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, K) ids and log-probabilities of the trained tokens of all rows, one row after the other."""
    most = max(row.ids.shape[1] for row in rows)
    ids, logprobs = [], []
    for row, n_prompt in zip(rows, n_prompts, strict=True):
        first, gap = int(n_prompt == 0), (0, most - row.ids.shape[1])  # nothing foretells a row's first token
        ids.append(torch.nn.functional.pad(row.ids[first:], gap, value=-1))
        logprobs.append(torch.nn.functional.pad(row.logprobs[first:], gap, value=-torch.inf))
    return torch.cat(ids), torch.cat(logprobs)


def _stacked(weights: Sequence[torch.Tensor]) -> torch.Tensor:
    return pad_sequence(list(weights), batch_first=True)


def _longer(values: torch.Tensor, last: float) -> torch.Tensor:
    return torch.nn.functional.pad(values, (0, 1), value=last)


def padding(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that fills up shorter rows; it is never read, and has no label."""
    pad = tokenizer.pad_token_id
    return int(tokenizer.eos_token_id if pad is None else pad)
