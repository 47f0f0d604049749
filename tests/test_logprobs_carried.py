"""Log-probabilities on their way through filter, format and joined steps, and what filter does by them."""

import json
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cotdistill import artifacts
from cotdistill.artifacts import ArtifactWriter, remote
from cotdistill.artifacts.json_lines import read_records
from cotdistill.artifacts.logprobs import LogprobsReader, LogprobsWriter, Position, Token, logprobs_path
from cotdistill.config import FilterConfig, FormatConfig
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.plugins import build
from cotdistill.progress import Silent
from cotdistill.recipes.joined import join
from cotdistill.records import Confidence, Dropped, Judged, Response
from cotdistill.stages import filter, format
from tests.conftest import make_judged, make_prompt, make_response


def sure(mean: float, worst: float | None = None) -> Confidence:
    return Confidence(tokens=10, mean_logprob=mean, worst_logprob=mean if worst is None else worst)


def response(id: str, sample: int, text: str, mean: float | None = -0.1, **more: Any) -> Response:
    prompt = make_prompt(id, f"What is 2+2 in words, {id}?", reference=more.pop("reference", "4"))
    confidence = None if mean is None else sure(mean)
    return make_response(text, prompt, sample=sample, confidence=confidence, **{"request_key": f"s1:{id}", **more})


def written(path: Path, *responses: Response) -> Path:
    """A file of responses as generate leaves it, with a token of one answer for each letter."""
    with (
        artifacts.run("generate", path, {"teacher": "mock:m"}, siblings=[logprobs_path(path)]) as current,
        ArtifactWriter(path) as writer,
        LogprobsWriter(logprobs_path(path)) as logprobs,
    ):
        for one in responses:
            writer.write(one)
            if one.confidence:
                positions = [Position(Token(raw=letter.encode()), -0.5) for letter in one.text]
                logprobs.add(one.request_key, one.sample, positions)
        current.publish([writer, logprobs], counts={"responses": writer.records})
    return path


def text_of(reader: LogprobsReader, one: Any) -> str:
    return b"".join(token.raw or b"" for token in reader.named(one.tokens) if token).decode()


def test_what_is_kept_and_what_becomes_a_row_takes_its_tokens_along(tmp_path: Path) -> None:
    source = written(
        tmp_path / "r.jsonl",
        response("a", 0, "Answer: 4"),
        response("a", 1, "Answer: 5"),
        response("b", 0, "It is 4. Answer: 4"),
        response("c", 0, "So: 4", None),
    )
    kept, rows = tmp_path / "kept.jsonl", tmp_path / "rows.jsonl"
    filter.run(source, kept, FilterConfig(), Silent())
    with LogprobsReader(tmp_path / "kept.logprobs") as reader:
        assert reader.of("s1:a", 1) is None, "it was dropped"
        assert text_of(reader, reader.of("s1:b", 0)) == "It is 4. Answer: 4"
    manifest = artifacts.manifest_of(kept)
    assert manifest
    assert [one.option for one in manifest.inputs] == [None, "logprobs"]
    assert (tmp_path / "kept.logprobs").name in [Path(one.path).name for one in manifest.outputs]

    format.run(kept, rows, FormatConfig(), Silent())
    assert "rows.logprobs" not in (tmp_path / "README.md").read_text(), "a data set's splits are rows"
    with LogprobsReader(tmp_path / "rows.logprobs") as reader:
        found = {row["id"]: reader.of_row(row["id"]) for row in map(json.loads, rows.read_text().splitlines())}
        assert {id: one and text_of(reader, one) for id, one in found.items()} == {
            "a/0": "Answer: 4",
            "b/0": "It is 4. Answer: 4",
            "c/0": None,
        }


def test_they_are_taken_along_from_an_object_store_and_into_it(tmp_path: Path) -> None:
    pytest.importorskip("upath", reason="the extra remote is not installed")
    bucket = remote.path(f"memory://{uuid.uuid4().hex}")
    here = written(tmp_path / "r.jsonl", response("a", 0, "Answer: 4"), response("b", 0, "Answer: 5"))
    for name in ("r.jsonl", "r.logprobs", "r.manifest.json"):
        (bucket / name).write_bytes((tmp_path / name).read_bytes())
    filter.run(bucket / "r.jsonl", bucket / "kept.jsonl", FilterConfig(), Silent())
    filter.run(here, tmp_path / "kept.jsonl", FilterConfig(), Silent())
    assert (bucket / "kept.logprobs").read_bytes() == (tmp_path / "kept.logprobs").read_bytes()


def test_answers_whose_tokens_are_gone_are_told_of(tmp_path: Path) -> None:
    source = written(tmp_path / "r.jsonl", response("a", 0, "Answer: 4"))
    logprobs_path(source).unlink()
    manifest = filter.run(source, tmp_path / "kept.jsonl", FilterConfig(), Silent())
    assert any(
        note.startswith("1 answers have a confidence, and no tokens in") and "r.logprobs" in note
        for note in manifest.notes
    )
    assert not (tmp_path / "kept.logprobs").exists()


def test_an_edited_file_of_log_probabilities_is_refused_like_any_input(tmp_path: Path) -> None:
    source = written(tmp_path / "r.jsonl", response("a", 0, "Answer: 4"))
    with logprobs_path(source).open("ab") as file:
        file.write(b"x")
    with pytest.raises(CotDistillError, match=r"r\.logprobs: changed since r\.manifest\.json was written"):
        filter.run(source, tmp_path / "kept.jsonl", FilterConfig(), Silent())


def test_a_row_whose_trace_was_cut_leaves_its_tokens_behind(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    long = response("a", 0, "Answer: 4", reasoning="\n".join(f"step {n}" for n in range(40)))
    source = written(tmp_path / "r.jsonl", long, response("b", 0, "Answer: 4", reasoning="2+2=4"))
    filter.run(source, tmp_path / "kept.jsonl", FilterConfig(), Silent())
    config = FormatConfig(student="tiny", max_length=150, cut_long=True)
    manifest = format.run(tmp_path / "kept.jsonl", tmp_path / "rows.jsonl", config, Silent(), card=False)
    assert manifest.counts["rows_cut"] == 1
    with LogprobsReader(tmp_path / "rows.logprobs") as reader:
        assert reader.of_row("a/0") is None
        assert reader.of_row("b/0") is not None


def test_a_joined_answer_that_got_another_sample_is_found_under_it(tmp_path: Path) -> None:
    one = written(tmp_path / "one.jsonl", response("a", 0, "Answer: 4"))
    other = written(tmp_path / "other.jsonl", response("a", 0, "It is 4", request_key="s1:other"))
    joined = join([one, other], tmp_path / "joined.jsonl")
    with LogprobsReader(tmp_path / "joined.logprobs") as reader:
        texts = [
            text_of(reader, reader.of(found.request_key, found.sample)) for found in read_records(joined, Response)
        ]
    assert texts == ["Answer: 4", "It is 4"]


def test_a_filter_of_one_s_own_that_looks_at_log_probabilities_is_refused_too_where_there_are_none(
    tmp_path: Path,
) -> None:
    own = tmp_path / "sure.py"
    own.write_text(
        "from dataclasses import dataclass\n\n@dataclass\nclass Filter:\n    needs_logprobs = True\n\n"
        "    def reason_to_drop(self, judged):\n        return None\n"
    )
    source = written(tmp_path / "r.jsonl", response("a", 0, "Answer: 4", None))
    with pytest.raises(UsageError, match=r"none of the 1 responses in .* has log-probabilities"):
        filter.run(source, tmp_path / "kept.jsonl", FilterConfig(filter=("none", str(own))), Silent())


def test_confidence_decides_on_prompts_by_all_their_samples(tmp_path: Path) -> None:
    source = written(
        tmp_path / "r.jsonl",
        response("sure", 0, "Answer: 4", -0.01),
        response("sure", 1, "It is 4", -0.3),
        response("unsure", 0, "Answer: 4", -0.01),
        response("unsure", 1, "It is 4", -0.9),
        response("silent", 0, "Answer: 4", None),
    )
    config = FilterConfig(filter=("confidence:min=0.8",))
    filter.run(source, tmp_path / "kept.jsonl", config, Silent())
    kept = list(read_records(tmp_path / "kept.jsonl", Judged))
    assert [(one.response.prompt.id, one.response.sample) for one in kept] == [("sure", 0), ("sure", 1)]
    assert kept[0].confidence == Confidence(tokens=20, mean_logprob=-0.155, worst_logprob=-0.155)
    dropped = list(read_records(tmp_path / "kept.dropped.jsonl", Dropped))
    assert {one.reason for one in dropped} == {
        "mean confidence under 0.8",
        "no log-probabilities; generate --logprobs asks for them",
    }


def test_answers_that_all_lack_log_probabilities_are_refused_before_they_are_judged(tmp_path: Path) -> None:
    source = written(tmp_path / "r.jsonl", response("a", 0, "Answer: 4", None), response("b", 0, "Answer: 4", None))
    with pytest.raises(UsageError, match=r"none of the 2 responses .* Ask for them with generate --logprobs 5"):
        filter.run(source, tmp_path / "kept.jsonl", FilterConfig(filter=("confidence:quantile=0.2",)), Silent())
    assert not (tmp_path / "kept.jsonl").exists()


def judged(id: str, prompt: float, own: float) -> Judged:
    one = make_judged(prompt=make_prompt(id), confidence=sure(own))
    return msgspec.structs.replace(one, confidence=sure(prompt))


@pytest.mark.parametrize(
    ("spec", "kept"),
    [
        ("confidence:quantile=0.5", {"c", "d"}),
        ("confidence:quantile=0.5,on=response", {"a", "b"}),
        ("confidence:quantile=0", {"a", "b", "c", "d"}),
        ("confidence:min=0.5", {"c", "d"}),
        ("confidence:min=0.5,on=response", {"a", "b", "c"}),
        ("confidence", {"d"}),
    ],
)
def test_a_quantile_drops_the_least_sure_share_and_min_what_is_under_a_probability(spec: str, kept: set[str]) -> None:
    samples = [judged("a", -4, -0.1), judged("b", -3, -0.2), judged("c", -0.3, -0.3), judged("d", -0.01, -4)]
    one = build("filters", spec)
    if one.looks_ahead:
        for sample in samples:
            one.consider([sample])
    assert {sample.response.prompt.id for sample in samples if one.reason_to_drop(sample) is None} == kept


def test_suspects_stand_with_the_surest_teacher_first(tmp_path: Path) -> None:
    means = {"a": -0.5, "b": -0.01, "c": None}
    source = written(
        tmp_path / "r.jsonl",
        *(response(id, sample, "Answer: 5", mean) for id, mean in means.items() for sample in range(3)),
    )
    filter.run(source, tmp_path / "kept.jsonl", FilterConfig(), Silent())
    suspects = [json.loads(line) for line in (tmp_path / "kept.suspects.jsonl").read_text().splitlines()]
    assert [(one["id"], one.get("confidence")) for one in suspects] == [("b", 0.99005), ("a", 0.606531), ("c", None)]
