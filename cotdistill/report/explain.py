"""One prompt of a finished run of filter, or of evaluate: its samples, and what was decided on each."""

from collections.abc import Iterator
from pathlib import Path

from cotdistill.artifacts import manifest_path, read_manifest, sibling
from cotdistill.artifacts.json_lines import read_records
from cotdistill.errors import UsageError
from cotdistill.records import Dropped, Judged
from cotdistill.wording import counted

SHOWN = 160
"""Characters of a question or an answer."""


def explain(kept: Path, prompt_id: str) -> str:
    """Read both files of the run that wrote `kept`, or the answers of evaluate. Raises UsageError when it holds no such
    prompt."""
    if kept.name.endswith(".answers.jsonl"):
        scores = kept.name.removesuffix(".answers.jsonl").removesuffix(".guard")
        manifest = manifest_path(kept.with_name(f"{scores}.json"))
    else:
        manifest = manifest_path(kept)
    if not manifest.exists():
        raise UsageError(f"{kept}: no finished run to explain; run the same command without --explain first")
    found = sorted(_decisions(kept, prompt_id), key=lambda one: one[0].response.sample)
    if not found:
        raise UsageError(f"--explain {prompt_id!r}: no such prompt in {kept} or beside it")
    first = found[0][0]
    prompt = first.response.prompt
    lines = [
        f"prompt {prompt.id!r}: {_short(prompt.messages[-1].content)}",
        f"  reference {prompt.reference!r}, {counted(len(found), 'sample')}{_rates(first)}",
    ]
    for judged, decision in found:
        response, verdict = judged.response, judged.verdict
        who = f" of {response.teacher.model}" if len({one.response.teacher.model for one, _ in found}) > 1 else ""
        detail = f" ({verdict.detail})" if verdict.detail else ""
        weight = f", weight {judged.weight}" if judged.weight is not None else ""
        lines += [
            f"  sample {response.sample}{who}: {decision}{weight}",
            f"    verdict {verdict.status} by {verdict.method}{detail}, answer {_short(repr(verdict.answer))}",
            f"    stopped by {response.stop_reason}; reasoning {len(response.reasoning or ''):,} characters, "
            f"answer {len(response.text):,}: {_short(response.text[-SHOWN:])}",
        ]
    options = read_manifest(manifest).options
    select = f", select {options['select'] or 'all'}" if "select" in options else ""
    lines.append(f"  the run: verify {options['verify'] or 'by prompt'}{select}")
    return "\n".join(lines)


def _decisions(kept: Path, prompt_id: str) -> Iterator[tuple[Judged, str]]:
    for one in read_records(kept, Judged):
        if one.response.prompt.id == prompt_id:
            yield one, "kept"
    if not sibling(kept, "dropped.jsonl").exists():
        return
    for dropped in read_records(sibling(kept, "dropped.jsonl"), Dropped):
        if dropped.judged.response.prompt.id == prompt_id:
            yield dropped.judged, f"dropped by {dropped.filter}: {dropped.reason}"


def _rates(judged: Judged) -> str:
    rate = f", pass rate {judged.pass_rate:.0%}" if judged.pass_rate is not None else ""
    votes = f", vote share {judged.vote_share:.0%}" if judged.vote_share is not None else ""
    return rate + votes


def _short(text: str) -> str:
    """One printable line: a model's text must not move the cursor."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"
