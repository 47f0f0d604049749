"""What a student would have written at each place of a text that is there already."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from cotdistill.students import load


class Likeliest(NamedTuple):
    """Of one place: id, log-probability and text of the token that stands there, and of the likeliest ones."""

    own: tuple[int, float, str]
    top: list[tuple[int, float, str]]


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
        with torch.inference_mode():
            logits = self._model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0, start - 1 : -1]
        logprobs = torch.log_softmax(logits.float(), dim=-1)
        found = logprobs.topk(min(top, vocabulary), dim=-1)
        own = logprobs.gather(1, torch.tensor(list(ids[start:]))[:, None])[:, 0]
        return [
            Likeliest(
                (token, value, self._text(token)),
                [(one, logprob, self._text(one)) for one, logprob in zip(tokens, values, strict=True)],
            )
            for token, value, tokens, values in zip(
                ids[start:], own.tolist(), found.indices.tolist(), found.values.tolist(), strict=True
            )
        ]

    def _text(self, token: int) -> str:
        text: str = self._tokenizer.decode([token], clean_up_tokenization_spaces=False)
        return text
