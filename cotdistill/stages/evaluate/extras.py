"""The files that evaluate writes besides its scores where --write-weak or --export asks for them."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from cotdistill import artifacts, exports
from cotdistill.artifacts import FileInfo, outputs
from cotdistill.artifacts.earlier import normalized, written_before
from cotdistill.artifacts.outputs import Place
from cotdistill.config import EvaluateConfig
from cotdistill.exports import PromptsExport
from cotdistill.records import Judged, Prompt
from cotdistill.stages.evaluate.scores import is_not_judged, is_right
from cotdistill.wording import counted


def places(scores: Path, config: EvaluateConfig) -> list[Place]:
    """Where they will stand. A file that is there already is replaced only where an earlier run on this output wrote
    it."""
    before = written_before(scores, "evaluate")
    wanted: list[Place] = []
    if config.write_weak:
        because = f"--write-weak {config.write_weak}"
        wanted.append(Place(Path(config.write_weak), lambda one: normalized(one) in before, because, held=True))
    if config.export:
        harness: PromptsExport = exports.build(config.export, "prompts", "--export")
        because = f"--export {config.export}"
        wanted += [
            Place(path, lambda one: normalized(one) in before, because, held=False) for path in harness.files(scores)
        ]
    return [place for one in wanted for place in outputs.replaced(one)]


def write(
    scores: Path, prompts: Sequence[Prompt], judged: Sequence[Judged], config: EvaluateConfig
) -> tuple[list[FileInfo], list[str]]:
    """Write them from the student's judged answers. Returns the files, and a note on each."""
    files: list[FileInfo] = []
    notes = []
    if config.write_weak:
        greedy = [one for one in judged if one.response.sample == 0 and not is_not_judged(one)]
        wrong = {one.response.prompt.id for one in greedy if not is_right(one)}
        lines = [msgspec.json.encode(prompt) + b"\n" for prompt in prompts if prompt.id in wrong]
        weak = artifacts.write_whole(Path(config.write_weak), b"".join(lines))
        files.append(msgspec.structs.replace(weak, records=len(lines)))
        prompts_that = counted(len(lines), "prompt that", "prompts that")
        notes.append(f"written to {config.write_weak}: {prompts_that} {config.student} gets wrong; generate more")
    if config.export:
        harness: PromptsExport = exports.build(config.export, "prompts", "--export")
        written = harness.prompts(scores, prompts, config.student, config.max_output_tokens)
        files += written
        notes.append(f"{written[0].path}: a task for {config.export}; the README beside it has the command")
    return files, notes
