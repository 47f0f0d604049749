"""vLLM as a scorer: `/v1/completions` with `prompt_logprobs`, which any vLLM server has.
https://docs.vllm.ai/en/stable/serving/openai_compatible_server/"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from cotdistill.providers.lenient import items, mapping
from cotdistill.providers.scoring import Place, ScoreRequest, SdkScorer, empty, finite, missing
from cotdistill.providers.types import Request
from cotdistill.providers.usage import chat_usage
from cotdistill.records import Usage


@dataclass
class VllmScorer(SdkScorer):
    path: str = field(default="/completions", init=False, repr=False)

    provider: ClassVar[str] = "vllm"
    key: ClassVar[str] = "VLLM_API_KEY"

    def body(self, request: Request) -> dict[str, Any]:
        """One token must be written; vLLM knows no way to write none."""
        assert isinstance(request, ScoreRequest)
        return {
            "model": self.model,
            "prompt": list(request.ids),
            "max_tokens": 1,
            "temperature": 1,
            "prompt_logprobs": request.top,
        }

    def places(self, reply: dict[str, Any], request: ScoreRequest) -> list[Place]:
        choice = next(iter(items(reply.get("choices"))), {})
        if not choice:
            raise empty("choices", reply, self.usage(reply))
        listed = choice.get("prompt_logprobs") or reply.get("prompt_logprobs")
        if not isinstance(listed, list) or len(listed) != len(request.ids):
            raise missing("prompt_logprobs", reply, self.usage(reply))
        return [
            self._place(mapping(one), token)
            for one, token in zip(listed[request.start :], request.ids[request.start :], strict=True)
        ]

    def _place(self, listed: dict[str, Any], token: int) -> Place:
        """The scored token stands among the likeliest ones, or after them."""
        known = {int(number): mapping(said) for number, said in listed.items()}
        own = known.get(token)
        text = None if own is None else own.get("decoded_token")
        likeliest = [(number, finite(said.get("logprob"))) for number, said in known.items()]
        return Place(-1 if own is None else token, text, likeliest)

    def usage(self, reply: dict[str, Any]) -> Usage:
        return chat_usage(mapping(reply.get("usage")), empty=True)

    def start_with(self, top: int) -> str:
        return f"Start vLLM with --max-logprobs {top}"

    def remedy(self) -> str:
        return (
            "vLLM does not reckon with scores of the prompt when it shares out memory: start it with a lower "
            "--gpu-memory-utilization (0.8) and --max-num-batched-tokens (2048), or give a smaller --concurrency here"
        )
