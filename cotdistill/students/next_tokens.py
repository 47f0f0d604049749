"""What a student would have written at each place of a text that is there already."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch

from cotdistill.students import load


class Likeliest(NamedTuple):
    """Of one place: id, log-probability and text of the token that stands there, and of the likeliest ones."""

    own: tuple[int, float, str]
    top: list[tuple[int, float, str]]


POSITIONS_AT_ONCE = 512
"""Of whose distributions over the vocabulary the memory holds all at once."""


def distributions(model: Any, ids: Sequence[int], start: int) -> Iterator[torch.Tensor]:
    """(some positions, vocabulary) log-probabilities in 32 bits, one block after another: what the model would have
    written in the place of each token from `start` (1 at least) on, in sight of all tokens before it."""
    cache = None
    whole = torch.tensor([list(ids[:-1])], device=model.device)
    for begin in range(0, whole.shape[1], POSITIONS_AT_ONCE):
        block = whole[:, begin : begin + POSITIONS_AT_ONCE]
        with torch.inference_mode():  # not around the yield: a caller that stops reading would be left in it
            output = model(input_ids=block, past_key_values=cache, use_cache=whole.shape[1] > POSITIONS_AT_ONCE)
            cache = output.past_key_values
            wanted = output.logits[0, max(0, start - 1 - begin) :]
            found = torch.log_softmax(wanted.float(), dim=-1)
        if found.shape[0]:
            yield found


class Scored(NamedTuple):
    """Of each token: its log-probability, and the ids and log-probabilities of the likeliest ones in its place."""

    own: list[float]
    top: list[list[int]]
    top_logprobs: list[list[float]]


def scored(model: Any, ids: Sequence[int], start: int, top: int = 0) -> Scored:
    """For the tokens of `ids` from `start` (1 at least) on."""
    found = Scored([], [], [])
    for block in distributions(model, ids, start):
        written = torch.tensor(list(ids[start + len(found.own) :][: block.shape[0]]), device=block.device)
        found.own.extend(block.gather(1, written[:, None])[:, 0].tolist())
        best = block.topk(min(top, block.shape[1]), dim=-1)
        found.top.extend(best.indices.tolist())
        found.top_logprobs.extend(best.values.tolist())
    return found


class NextTokens:
    """Holds the model. Not thread-safe: one text at a time."""

    def __init__(self, student: str) -> None:
        self._model, self._tokenizer = load.student(student)
        self._model.to(torch.float32).eval()

    def likeliest(self, ids: Sequence[int], start: int, top: int) -> list[Likeliest]:
        """For the tokens of `ids` from `start` (1 at least) on, each in sight of all before it. Raises ValueError for
        a token that the student does not have."""
        vocabulary = self._model.config.get_text_config().vocab_size
        if not ids or min(ids) < 0 or max(ids) >= vocabulary:
            raise ValueError(f"token ids from 0 to {vocabulary - 1} are required")
        found = scored(self._model, ids, start, top)
        return [
            Likeliest(
                (token, value, self._text(token)),
                [(one, logprob, self._text(one)) for one, logprob in zip(tokens, values, strict=True)],
            )
            for token, value, tokens, values in zip(ids[start:], found.own, found.top, found.top_logprobs, strict=True)
        ]

    def _text(self, token: int) -> str:
        text: str = self._tokenizer.decode([token], clean_up_tokenization_spaces=False)
        return text
