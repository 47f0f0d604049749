"""Samples of one prompt that stand apart in a file are taken together: sorted by sample, joined, shuffled."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from cotdistill.artifacts.json_lines import BadLines, read_records
from cotdistill.artifacts.together import OfResponse, together
from cotdistill.config import FilterConfig, FormatConfig
from cotdistill.errors import CotDistillError
from cotdistill.progress import Silent
from cotdistill.records import Judged, Response
from cotdistill.stages import filter as filtering
from cotdistill.stages import format as formatting
from tests.conftest import make_prompt, make_response, write_records


def responses(prompts: int = 30, samples: int = 4) -> list[Response]:
    lots = random.Random(1)
    return [
        make_response(f"Answer: {lots.choice([n % 9, n % 7])}", make_prompt(f"p{n}", f"q {n}?", str(n % 9)), sample=s)
        for n in range(prompts)
        for s in range(samples)
    ]


def scattered(how: str) -> list[Response]:
    given = responses()
    if how == "sorted by sample":
        return sorted(given, key=lambda one: one.sample)
    if how == "joined":
        return [one for one in given if one.sample < 2] + [one for one in given if one.sample >= 2]
    random.Random(5).shuffle(given)
    return given


@pytest.mark.parametrize("at_once", [1, 7, 100_000])
def test_prompts_that_stand_apart_are_counted_whatever_is_compared_at_once(
    at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cotdistill.artifacts.together._AT_ONCE", at_once)
    source = write_records(tmp_path / "r.jsonl", scattered("joined"))
    with together(source, OfResponse, tmp_path / "work") as found:
        assert found.apart == 30


def sift(source: Path, output: Path, **options: Any) -> dict[str, Any]:
    made = filtering.run(source, output, FilterConfig(select="first:k=1", **options), Silent())
    return {"counts": made.counts, "rates": made.results["prompts_by_pass_rate"], "notes": made.notes}


@pytest.mark.parametrize("how", ["sorted by sample", "joined", "shuffled"])
def test_scattered_samples_are_judged_as_if_they_stood_together(tmp_path: Path, how: str) -> None:
    ordered = sift(write_records(tmp_path / "a.jsonl", responses()), tmp_path / "a" / "kept.jsonl")
    apart = sift(write_records(tmp_path / "b.jsonl", scattered(how)), tmp_path / "b" / "kept.jsonl", workers=2)
    assert (apart["counts"], apart["rates"]) == (ordered["counts"], ordered["rates"])
    assert not any("stood apart" in note for note in ordered["notes"])
    assert any("the samples of 30 prompts stood apart in" in note for note in apart["notes"])
    kept = {(one.response.prompt.id, one.response.sample) for one in read_records(tmp_path / "b/kept.jsonl", Judged)}
    assert kept == {
        (one.response.prompt.id, one.response.sample) for one in read_records(tmp_path / "a/kept.jsonl", Judged)
    }
    assert not list((tmp_path / "b").glob("*together*")), "the working file is gone"


def test_a_bad_line_of_a_scattered_file_is_named_by_its_own_number(tmp_path: Path) -> None:
    source = write_records(tmp_path / "r.jsonl", scattered("shuffled"))
    lines = source.read_bytes().splitlines(keepends=True)
    lines[70] = lines[70].replace(b'"model":"m"', b'"model":null')
    source.write_bytes(b"".join(lines))
    with pytest.raises(CotDistillError, match=r"r\.jsonl:71: teacher\.model: expected str, got null"):
        sift(source, tmp_path / "kept.jsonl")
    sift(source, tmp_path / "kept.jsonl", skip_bad=True)
    (bad,) = (tmp_path / "kept.bad.jsonl").read_text().splitlines()
    assert (json.loads(bad)["line"], json.loads(bad)["file"]) == (71, str(source))


def test_a_file_whose_samples_stand_together_is_read_as_it_is(tmp_path: Path) -> None:
    source = write_records(tmp_path / "r.jsonl", responses())
    with together(source, OfResponse, tmp_path / "work") as found:
        assert (found.path, found.apart, found.line(7)) == (source, 0, 7)


def test_a_last_line_without_its_end_is_still_one_line(tmp_path: Path) -> None:
    source = write_records(tmp_path / "r.jsonl", scattered("shuffled"))
    source.write_bytes(source.read_bytes().rstrip(b"\n"))
    with together(source, OfResponse, tmp_path / "work") as found:
        assert len(list(found.records(Response, BadLines(None)))) == 120


def test_format_holds_out_each_prompt_once_whatever_the_order(tmp_path: Path) -> None:
    filtering.run(write_records(tmp_path / "r.jsonl", responses()), tmp_path / "k.jsonl", FilterConfig(), Silent())
    lines = (tmp_path / "k.jsonl").read_bytes().splitlines(keepends=True)
    random.Random(3).shuffle(lines)
    (tmp_path / "shuffled.jsonl").write_bytes(b"".join(lines))
    config = FormatConfig(holdout=0.5)
    ordered = formatting.run(tmp_path / "k.jsonl", tmp_path / "a" / "train.jsonl", config, Silent())
    apart = formatting.run(tmp_path / "shuffled.jsonl", tmp_path / "b" / "train.jsonl", config, Silent())
    assert apart.counts == ordered.counts
    ids = [json.loads(line)["id"] for line in (tmp_path / "b/train.holdout.prompts.jsonl").read_text().splitlines()]
    assert len(ids) == len(set(ids))
