"""Answers are written while others are asked for: each once, in prompt order, whatever order they come in."""

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from cotdistill.dispatch.asking import Job
from cotdistill.dispatch.lookup import Answer
from cotdistill.providers.types import Failure, Reply, Request
from cotdistill.records import Message, Prompt, Usage
from cotdistill.stages.generate import arrivals as module
from cotdistill.stages.generate import spool as spool_module
from cotdistill.stages.generate.arrivals import Arrivals
from cotdistill.stages.generate.spool import Question, Spool


def prompt_of(number: int) -> Prompt:
    return Prompt(id=f"p{number}", messages=(Message(role="user", content=f"Question {number}?"),))


def jobs_of(number: int, samples: int = 2, key: str | None = None) -> list[Job]:
    prompt = prompt_of(number)
    return [Job(prompt, sample, key or f"k{number}", "f", Request(prompt.messages, 10)) for sample in range(samples)]


def answer_to(job: Job) -> Answer:
    text = f"{job.key}/{job.sample}"
    return Answer(job.key, Reply(text.encode(), text, None, "none", "stop", None, Usage()))


@dataclass
class Written:
    """In the place of the output: what it was given, and what was read from the store for it."""

    lines: list[tuple[str, list[str]]] = field(default_factory=list)
    looked_up: int = 0

    @property
    def plan(self) -> "Written":
        return self

    def stored(self, job: Job) -> Answer:
        self.looked_up += 1
        return answer_to(job)

    def add(self, answers: Any, failures: Any) -> None:
        texts = ["failed" if (job.key, job.sample) in failures else answer.reply.text for job, answer in answers]
        self.lines.append((answers[0][0].prompt.id, texts))


@pytest.mark.parametrize("seed", range(5))
def test_answers_in_any_order_are_written_in_prompt_order(seed: int) -> None:
    written, prompts = Written(), [jobs_of(number) for number in range(30)]
    here = Arrivals(written)  # type: ignore[arg-type]
    coming = [job for jobs in prompts for job in jobs]
    random.Random(seed).shuffle(coming)
    for jobs in prompts:
        here.expect(jobs, (0, 1))
    for job in coming:
        here.came(job, answer_to(job))
        here.write({})
    assert written.lines == [(f"p{n}", [f"k{n}/0", f"k{n}/1"]) for n in range(30)]
    assert written.looked_up == 0
    assert (here._bytes, here._answers, dict(here._awaited)) == (0, {}, {}), "nothing is kept"


def test_what_the_store_had_is_read_from_it_and_a_failure_holds_nothing_up() -> None:
    written = Written()
    here = Arrivals(written)  # type: ignore[arg-type]
    first, second = jobs_of(0), jobs_of(1)
    here.expect(first, (1,))
    here.expect(second, (0, 1))
    here.came(second[0], answer_to(second[0]))
    here.came(first[1], answer_to(first[1]))
    failures = {("k1", 1): Failure("row", "no")}
    here.write(failures)
    assert written.lines == [("p0", ["k0/0", "k0/1"]), ("p1", ["k1/0", "failed"])]
    assert written.looked_up == 2, "sample 0 of the first prompt, and the failed one, which has none there"


def test_one_answer_to_a_question_under_two_ids_serves_both() -> None:
    written = Written()
    here = Arrivals(written)  # type: ignore[arg-type]
    one, other = jobs_of(0, 1, key="same"), jobs_of(1, 1, key="same")
    here.expect(one, (0,))
    here.expect(other, (0,))
    here.came(one[0], answer_to(one[0]))
    here.write({})
    assert written.lines == [("p0", ["same/0"]), ("p1", ["same/0"])]
    assert written.looked_up == 0


def test_answers_that_wait_for_long_are_let_go_and_read_from_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 20)
    written, prompts = Written(), [jobs_of(number, 1) for number in range(10)]
    here = Arrivals(written)  # type: ignore[arg-type]
    for jobs in prompts:
        here.expect(jobs, (0,))
    for (job,) in [*prompts[1:], prompts[0]]:
        here.came(job, answer_to(job))
        here.write({})
        assert here._bytes <= 20
    assert written.lines == [(f"p{n}", [f"k{n}/0"]) for n in range(10)]
    assert written.looked_up > 0


def test_too_many_prompts_behind_one_that_is_slow_are_left_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PROMPTS", 5)
    written = Written()
    here = Arrivals(written)  # type: ignore[arg-type]
    for number in range(8):
        here.expect(jobs_of(number, 1), (0,))
        if number:
            here.came(jobs_of(number, 1)[0], answer_to(jobs_of(number, 1)[0]))
    here.came(jobs_of(0, 1)[0], answer_to(jobs_of(0, 1)[0]))
    here.write({})
    assert written.lines == []
    assert here._answers == {}


def test_a_spool_gives_back_what_it_was_given_also_to_two_walks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "TOGETHER", 7)
    monkeypatch.setattr(spool_module, "IN_MEMORY", 500)
    questions = [
        Question(prompt_of(n), None if n % 3 else prompt_of(n + 1).messages, f"k{n}", f"f{n}", tuple(range(n % 4)))
        for n in range(40)
    ]
    spool = Spool()
    for question in questions:
        spool.add(question)
    assert [*zip(spool.since(0), spool.since(0), strict=True)] == [(question, question) for question in questions]
    for number in (0, 1, 6, 7, 13, len(questions) - 1, len(questions)):
        assert list(spool.since(number)) == questions[number:]
    spool.close()
