"""Checks that two models mean the same token by the same id: only then can their probabilities be compared."""

from transformers import PreTrainedTokenizerBase

from cotdistill.errors import UsageError


def check_same(student: PreTrainedTokenizerBase, teacher: PreTrainedTokenizerBase, name: str, option: str) -> None:
    """Raises UsageError that names tokens in which the `teacher`, called `name` and given with `option`, differs."""
    own, its = student.get_vocab(), teacher.get_vocab()
    if own == its:
        return
    differing = sorted({token for token, id in own.items() ^ its.items()}, key=lambda token: own.get(token, len(own)))
    first = differing[0]
    raise UsageError(
        f"{option} {name}: has another vocabulary than the student: {len(differing):,} tokens differ, the first is "
        f"{first!r} ({_of(own, first)} for the student, {_of(its, first)} for the teacher). Probabilities can be "
        f"compared token by token only; take a teacher of the student's own family, or train on its text alone"
    )


def _of(vocabulary: dict[str, int], token: str) -> str:
    return f"id {vocabulary[token]}" if token in vocabulary else "no token"
