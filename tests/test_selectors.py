"""Selectors: which of one prompt's surviving samples are kept."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from cotdistill.plugins import build
from cotdistill.records import Judged
from tests.conftest import make_judged, make_prompt


def pool(*texts: str, pass_rate: float | None = None, **more: Any) -> list[Judged]:
    made = [make_judged(text, sample=number, **more) for number, text in enumerate(texts)]
    return [msgspec.structs.replace(one, pass_rate=pass_rate) for one in made]


def chosen(spec: str, judged: Sequence[Judged]) -> list[int]:
    return [one.response.sample for one in build("selectors", spec).choose(judged)]


def test_longest_counts_trace_and_answer_and_ties_go_to_the_earlier_sample() -> None:
    assert chosen("longest:k=2", pool("aa", "aaaa", "a", "aaaa")) == [1, 3]
    assert chosen("longest", pool("aa", "bb")) == [0]


def test_random_is_the_same_for_a_seed_wherever_the_prompt_stands_and_differs_between_prompts() -> None:
    ten = [str(number) for number in range(10)]
    first, again = (chosen("random:k=3,seed=7", pool(*ten)) for _ in range(2))
    assert first == again == sorted(first)
    others = [chosen("random:k=3,seed=7", pool(*ten, prompt=make_prompt(f"p{n}"))) for n in range(5)]
    assert any(other != first for other in others)
    assert any(chosen(f"random:k=3,seed={seed}", pool(*ten)) != first for seed in range(5))


def test_uniform_keeps_as_many_of_an_easy_prompt_as_of_a_hard_one() -> None:
    assert chosen("uniform:k=2", pool(*"abcdef")) == [0, 1]
    assert chosen("uniform:k=2", pool("a")) == [0]
    assert chosen("uniform:k=2,at_least=2", pool("a")) == [], "too few to count"


@pytest.mark.parametrize(("pass_rate", "kept"), [(1.0, 1), (0.75, 2), (0.5, 4), (0.25, 6), (None, 8)])
def test_proportional_keeps_more_of_what_is_hard(pass_rate: float | None, kept: int) -> None:
    assert len(chosen("proportional:k=8", pool(*"abcdefghij", pass_rate=pass_rate))) == kept


def test_diverse_prefers_another_way_over_the_same_way_in_other_words() -> None:
    same_way = "First 3*4=12, then 12-5=7."
    reworded = "We have 3 * 4 = 12 and so 12 - 5 = 7!"
    other_way = "5 of them break: 12-5=7, where 4+4+4=12."
    assert chosen("diverse:k=2", pool(same_way, reworded, other_way)) == [0, 2]


def test_diverse_goes_by_words_where_there_are_no_equations() -> None:
    one, alike, other = "photosynthesis makes sugar", "photosynthesis makes sugar too", "because mitosis divides cells"
    assert 2 in chosen("diverse:k=2", pool(one, alike, other))
    assert chosen("diverse:k=2", pool("", "", "")) == [0, 1], "nothing to tell them apart"


@pytest.mark.parametrize("spec", ["first", "shortest", "longest", "random", "uniform", "proportional", "diverse"])
def test_no_selector_invents_or_repeats_a_sample(spec: str) -> None:
    samples = pool("1+1=2", "2", "1+1=2", "", "x" * 50, pass_rate=0.5)
    picked = chosen(spec, samples)
    assert len(set(picked)) == len(picked)
    assert set(picked) <= {0, 1, 2, 3, 4}
    assert chosen(spec, []) == []
