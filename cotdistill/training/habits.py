"""Whether a new student stops by itself when it is asked, and whether it closes its trace."""

from pathlib import Path

from cotdistill.chat.template import opens_think
from cotdistill.reasoning import split
from cotdistill.students import load
from cotdistill.students.generator import Generator
from cotdistill.students.prompts import Prompt
from cotdistill.training.token_rows import TokenRows

ASKED = 32
"""Prompts that are asked: enough to notice a student that never stops, few enough to ask always."""


def habits(student: Path, rows: TokenRows, threads: int | None) -> dict[str, float]:
    """Greedy answers to the first prompts of `rows`, cut at twice the longest row: the shares that ended by
    themselves and, where it thinks at all, that closed their trace. The student is loaded from its directory, as
    anybody would."""
    generator, tokenizer = Generator(str(student), threads), load.tokenizer(str(student))
    read = [rows.prompt(number) for number in range(min(ASKED, len(rows)))]
    prompts = [Prompt(ids, opens_think(tokenizer.decode(ids))) for ids in read]
    answers = generator.answer(prompts, max_tokens=2 * rows.longest, temperature=None, seeds=[0] * len(prompts))
    parts = [
        split(("<think>" if prompt.opened else "") + answer.text)
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
    found = {"stop_rate": round(sum(answer.ended for answer in answers) / len(answers), 4)}
    if any(part.rule != "no tag" for part in parts):
        closed = sum(part.closed and part.rule != "no tag" for part in parts)
        found["closed_think_rate"] = round(closed / len(parts), 4)
    return found
