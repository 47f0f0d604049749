"""A teacher on a server scores the student's answers: through store, budget and limiter, like any answer."""

from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any

from cotdistill import teachers
from cotdistill.config import FinetuneConfig
from cotdistill.config.on_policy import scores_over_api
from cotdistill.dispatch.asking import Job, Limits
from cotdistill.dispatch.lookup import Answer
from cotdistill.dispatch.session import Session
from cotdistill.dispatch.stored import StoredTeacher, Terms
from cotdistill.errors import BudgetError, CotDistillError
from cotdistill.pricing import Prices
from cotdistill.providers.scoring import ScoreRequest, Scores, SdkScorer
from cotdistill.records import Prompt, Usage, money
from cotdistill.training.on_policy.rollout import Written
from cotdistill.wording import amount


def scorer_of(config: FinetuneConfig) -> SdkScorer | None:
    """The teacher where it is on a server, not yet opened."""
    if not scores_over_api(config):
        return None
    teacher: Any = teachers.build(config.teacher or "", config.base_url, config.concurrency)
    scorer: SdkScorer = teacher.scorer()
    return scorer


def prices_of(scorer: SdkScorer, config: FinetuneConfig) -> Prices:
    """The one token that a server writes besides costs what a scored one costs."""
    given = None if config.price_in is None else Decimal(str(config.price_in))
    return Prices(scorer.provider, scorer.model, given, given)


class ServedTeacher:
    """Called with a step's answers; opened with the first ones, until the session ends. `scored_tokens` are those that
    this run has paid for, prompts included."""

    def __init__(
        self, scorer: SdkScorer, config: FinetuneConfig, session: Session, prompts: Sequence[Prompt], tokenizer: Any
    ) -> None:
        self.scored_tokens = 0
        self._scorer, self._config, self._session = scorer, config, session
        self._prompts, self._tokenizer = prompts, tokenizer
        self._texts: dict[int, str] = {}
        self._proven = False

    @cached_property
    def _stored(self) -> StoredTeacher:
        limits = Limits(self._scorer.concurrency, at_once=self._config.concurrency is not None)
        return self._session.open(self._scorer, Terms(prices_of(self._scorer, self._config), limits))

    def __call__(self, written: Sequence[Written]) -> list[Scores]:
        """The scores of each answer, in order.

        Raises BudgetError where the money does not suffice for all of them, StoppedError after a signal, and
        CotDistillError where the server cannot score or has another vocabulary. What was scored is kept."""
        asked = [self._job(one) for one in written]
        jobs = {job.key: job for job in asked}
        found: dict[str, bytes] = {}

        async def got(job: Job, answer: Answer, bought: bool) -> None:
            found[job.key] = answer.reply.raw
            if bought:
                self.scored_tokens += answer.reply.usage.input_tokens or 0

        outcome = self._stored.session.run(self._stored.ask_all(iter(jobs.values()), got))
        for failure in outcome.failures.values():
            raise CotDistillError(
                f"{self._scorer.model}: cannot score an answer of the student: {failure.message}. What was scored is "
                "kept; --resume goes on once the server can. Where an answer is too long for it, start again with a "
                "smaller --max-output-tokens"
            )
        if len(found) < len(jobs):
            raise BudgetError(
                f"{self._stored.budget.describe() if self._stored.budget else 'the run stopped'}. What was scored is "
                "kept; the same command with --resume and a larger cap goes on"
            )
        scores = [self._scorer.scores(found[job.key]) for job in asked]
        self.check_vocabulary(written, scores)
        return scores

    def _job(self, one: Written) -> Job:
        prompt = self._prompts[one.prompt]
        return self._stored.job(prompt, 0, ScoreRequest(prompt.messages, 1, ids=one.ids, start=one.n_prompt))

    def check_vocabulary(self, written: Sequence[Written], scores: Sequence[Scores]) -> None:
        """Servers say what text each token stands for: all that can be known of a vocabulary from outside. Raises
        CotDistillError where one is another text, and where none is known."""
        for answer, its in zip(written, scores, strict=True):
            for token, text in zip(answer.answer, its.texts, strict=True):
                self._compare(token, text)
        if not self._proven:
            raise CotDistillError(
                f"{self._scorer.model}: the server does not say what text its tokens stand for, so its vocabulary "
                "cannot be compared with the student's. Ask vLLM or SGLang itself, without a gateway between"
            )

    def _compare(self, token: int, text: str | None) -> None:
        """Part of a letter is no text, and a blank alone is written in several ways."""
        own = self._own_text(token)
        if text is None or not own.strip() or "\ufffd" in own or "\ufffd" in text:
            return
        if own.strip() != text.strip():
            raise CotDistillError(
                f"{self._scorer.model}: has another vocabulary than the student: token {token} is {text!r} there and "
                f"{own!r} here. Its scores can be used token by token only: take a teacher of the student's own "
                "family, or train on the text of any other"
            )
        self._proven = True

    def _own_text(self, token: int) -> str:
        if token not in self._texts:
            self._texts[token] = self._tokenizer.decode([token], clean_up_tokenization_spaces=False)
        return self._texts[token]

    def results(self) -> dict[str, Any]:
        spent = self._stored.spent
        return {"scored_tokens": self.scored_tokens, **({} if not spent else {"spent_usd": money(spent)})}

    def estimate(self, prompt_tokens: int, answers: int, mean: float) -> dict[str, Any]:
        """Tokens and USD of a whole run: `answers` of `mean` tokens to prompts of `prompt_tokens` in all."""
        expected = prompt_tokens + round(answers * mean)
        most = prompt_tokens + answers * self._config.max_output_tokens
        results: dict[str, Any] = {"scored_tokens": expected, "scored_tokens_at_most": most}
        prices = prices_of(self._scorer, self._config)
        for name, tokens in (("cost_usd", expected), ("cost_usd_at_most", most)):
            cost = prices.cost(Usage(input_tokens=tokens, output_tokens=answers))
            results[name if cost else "cost"] = amount(cost) if cost else "unknown; give --price-in"
        return results
