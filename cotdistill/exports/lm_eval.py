"""A task for lm-evaluation-harness from the prompts that evaluate asked, so that others can repeat the score."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cotdistill.artifacts import FileInfo, sibling, write_whole
from cotdistill.records import Prompt

_TASK = """\
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs:
  until: []
  do_sample: false
  max_gen_toks: {cap}
filter_list:
  - name: last_answer
    filter:
      - function: regex
        regex_pattern: "(-?[0-9][0-9,]*(?:\\\\.[0-9]+)?)"
        group_select: -1
      - function: take_first
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
    ignore_case: true
    ignore_punctuation: false
metadata:
  version: 1.0
"""

_README = """\
# {name}

With `think_end_token` lm-eval is given the answer alone, without the trace:

    lm-eval run --model hf --model_args "pretrained={student},think_end_token=</think>" \\
        --tasks {name} --include_path {folder} --apply_chat_template

It compares the last number of the answer with the reference; cotdistill's own verifiers compare by value.
"""


@dataclass
class Export:
    """A task for lm-evaluation-harness: its YAML, the prompts, a README with the command."""

    def files(self, scores: Path) -> list[Path]:
        folder = _folder(scores)
        return [folder / f"{_name(folder)}.yaml", folder / "data.jsonl", folder / "README.md"]

    def prompts(self, scores: Path, prompts: Sequence[Prompt], student: str, cap: int) -> list[FileInfo]:
        """Only the last user turn of a prompt is asked, and only where there is a reference to compare with."""
        folder = _folder(scores)
        name = _name(folder)
        task, data, readme = self.files(scores)
        lines = [{"question": one.messages[-1].content, "answer": one.reference} for one in prompts if one.reference]
        return [
            write_whole(task, _TASK.format(name=name, data=data.resolve(), cap=cap).encode()),
            write_whole(data, b"".join(msgspec.json.encode(line) + b"\n" for line in lines)),
            write_whole(readme, _README.format(name=name, student=student, folder=folder).encode()),
        ]


def _folder(scores: Path) -> Path:
    return sibling(scores, "lm_eval")


def _name(folder: Path) -> str:
    return folder.name.replace("-", "_").replace(".", "_")
