"""A student as expand's solver: a second opinion that costs nothing."""

from pathlib import Path

from cotdistill.config import ExpandConfig, FinetuneConfig
from cotdistill.mock import problems
from cotdistill.progress import Silent
from cotdistill.stages import finetune
from cotdistill.stages.expand.asking import as_generate, for_answers
from cotdistill.stages.expand.sources import Source
from cotdistill.stages.expand.trust import asked_about
from tests.training_runs import chain_rows, write


def test_a_student_is_no_judge_of_itself_on_seeds_that_it_learnt(tmp_path: Path) -> None:
    rows = chain_rows(6)
    train = write(tmp_path / "train.jsonl", rows)
    finetune.run(train, tmp_path / "student", FinetuneConfig(student="tiny", max_steps=1, batch_size=2), Silent())
    learnt = [str(row["prompt"][-1]["content"]) for row in rows]
    fresh = [one.text for one in problems.generate(4, seed=12_345, exclude=frozenset(learnt))]
    seeds = []
    for number, text in enumerate([*learnt, *fresh]):
        chain = problems.parse(text)
        assert chain is not None
        seeds.append(Source(f"s{number}", text, chain.as_prompt(f"s{number}")))
    student, held_out = f"local:{tmp_path / 'student'}", seeds[6:8]
    asked = asked_about([*seeds[:6], *seeds[8:]], held_out, 0, student)
    assert {one.id for one in asked} == {"s6", "s7"}, (
        "what it learnt it knows, and what it did not its teacher got wrong"
    )
    assert asked_about(seeds[:6], [], 0, student) == [], "then nothing is known"
    assert len(asked_about(seeds[8:], held_out, 0, student)) == 2, "of prompts that are all new to it"
    assert len(asked_about(seeds, [], 0, "mock:digit-chains")) == len(seeds)


def test_a_local_solver_samples_for_its_greedy_answers_would_all_agree() -> None:
    local = ExpandConfig(teacher="mock:digit-chains", solver="local:student")
    assert for_answers(local, as_generate(local), 4).temperature == 1.0
    assert for_answers(local, as_generate(local), 1).temperature is None, "one answer is the likeliest"
    own = ExpandConfig(teacher="mock:digit-chains")
    assert for_answers(own, as_generate(own), 4).temperature is None, "as generate asks, which finds them in the store"
