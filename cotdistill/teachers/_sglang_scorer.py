"""SGLang as a scorer: its own `/generate` with `return_logprob`.
https://docs.sglang.io/docs/basic_usage/sampling_params"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from cotdistill.providers.lenient import count, mapping
from cotdistill.providers.scoring import Place, ScoreRequest, SdkScorer, empty, finite, missing
from cotdistill.providers.types import Request
from cotdistill.records import Usage


@dataclass
class SglangScorer(SdkScorer):
    path: str = field(default="/generate", init=False, repr=False)

    provider: ClassVar[str] = "sglang"
    key: ClassVar[str] = "SGLANG_API_KEY"

    def __post_init__(self) -> None:
        self.base_url = self.base_url.removesuffix("/v1")  # it stands beside the API that is like OpenAI's

    def body(self, request: Request) -> dict[str, Any]:
        """SGLang gives no score for the first place that it is asked for, so it is asked from the one before."""
        assert isinstance(request, ScoreRequest)
        return {
            "model": self.model,
            "input_ids": list(request.ids),
            "sampling_params": {"max_new_tokens": 0, "temperature": 0},
            "return_logprob": True,
            "logprob_start_len": request.start - 1,
            "top_logprobs_num": request.top,
            "return_text_in_logprobs": True,
        }

    def wire(self, body: dict[str, Any]) -> dict[str, Any]:
        """Without the model, of which an SGLang server has one."""
        return {name: value for name, value in body.items() if name != "model"}

    def places(self, reply: dict[str, Any], request: ScoreRequest) -> list[Place]:
        said = mapping(reply.get("meta_info"))
        if not said:
            raise empty("meta_info", reply, self.usage(reply))
        own, likeliest = said.get("input_token_logprobs"), said.get("input_top_logprobs")
        scored = len(request.ids) - request.start
        if not (isinstance(own, list) and isinstance(likeliest, list) and scored <= len(own) == len(likeliest)):
            raise missing("input_token_logprobs and input_top_logprobs", reply, self.usage(reply))
        return [
            Place(int(token), text, [(int(number), finite(logprob)) for logprob, number, _ in ones or ()])
            for (_, token, text), ones in zip(own[-scored:], likeliest[-scored:], strict=True)
        ]

    def usage(self, reply: dict[str, Any]) -> Usage:
        said = mapping(reply.get("meta_info"))
        read = count(said.get("prompt_tokens"))
        return Usage(input_tokens=read or None, output_tokens=count(said.get("completion_tokens")))

    def start_with(self, top: int) -> str:
        return f"Start an SGLang server that allows {top} log-probabilities a token"

    def remedy(self) -> str:
        return (
            "scores of the prompt need memory beside the cache: start SGLang with a lower --mem-fraction-static (0.8) "
            "and --chunked-prefill-size (2048), or give a smaller --concurrency here"
        )
