"""The page: what it says, that nothing a model wrote can act in it, and that it stays small."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cotdistill import report
from cotdistill.config import EvaluateConfig, FilterConfig, FormatConfig
from cotdistill.errors import UsageError
from cotdistill.progress import Silent
from cotdistill.records import Judged, Message, Prompt, Response, Verdict
from cotdistill.report import traces
from cotdistill.stages import evaluate as evaluating
from cotdistill.stages import filter as filtering
from cotdistill.stages import format as formatting
from tests.conftest import cotdistill, make_prompt, make_response, write_records
from tests.scored_runs import scored, trained

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
HOSTILE = (
    "</script><script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">"
    "<!-- --><svg onload=document.title='owned'>\u2028{{7*7}} javascript:alert(1) <iframe src='http://127.0.0.1:9/'>"
)


def run_directory(tmp_path: Path, responses: list[Response]) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    source = folder / "responses.jsonl"
    write_records(source, responses)
    filtering.run(source, folder / "kept.jsonl", FilterConfig(verify="math"), Silent())
    formatting.run(folder / "kept.jsonl", folder / "train.jsonl", FormatConfig(), Silent())
    return folder


def hostile() -> list[Response]:
    prompts = [make_prompt(f"p{n}{HOSTILE}", f"{HOSTILE} 2+{n}?", str(2 + n), tags={"kind": HOSTILE}) for n in range(3)]
    return [
        make_response(f"{HOSTILE} #### {2 + n + sample}", prompt, reasoning=HOSTILE, sample=sample)
        for n, prompt in enumerate(prompts)
        for sample in range(2)
    ]


def test_the_same_files_give_the_same_page_and_it_names_every_step(tmp_path: Path) -> None:
    folder = run_directory(tmp_path, hostile())
    first = report.write(folder, tmp_path / "a.html")
    assert first.sha256 == report.write(folder, tmp_path / "b.html").sha256
    page = (tmp_path / "a.html").read_text()
    for words in ("From prompts to a student", "Why answers were rejected", "The teacher", "how many of their samples"):
        assert words in page, words


def test_what_a_model_wrote_stands_in_the_page_as_data_only(tmp_path: Path) -> None:
    report.write(run_directory(tmp_path, hostile()), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<script") == 2 and page.count("</script>") == 2, "the data and the page's own script"
    assert not re.search(r"<(img|iframe|svg onload)", page)
    assert "http" not in re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL).replace(
        "http-equiv", ""
    ).replace(HOSTILE, "").replace("src=&#x27;http://127.0.0.1:9/", "")
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert block
    assert not set("<>&\u2028") & set(block[1])
    shown = json.loads(block[1])
    prompt = shown["traces"][0]["prompts"][0]
    assert prompt["samples"][0]["reasoning"] == HOSTILE, "and whole"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.timeout(120)
def test_no_script_of_a_model_runs_in_a_browser_and_the_traces_are_shown(tmp_path: Path) -> None:
    report.write(run_directory(tmp_path, hostile()), tmp_path / "page.html")
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--dump-dom",
        f"file://{tmp_path}/page.html",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "<title>run · cotdistill</title>" in done.stdout, done.stderr[-500:]
    assert "3 prompts of the 3 of kept.jsonl" in done.stdout, "the page's own script ran"
    assert done.stdout.count("<details>") == 3


@pytest.mark.slow
def test_a_great_run_makes_a_small_page_in_which_every_reason_is_found(tmp_path: Path) -> None:
    text = "First we add what is given, and then we check that it is so. " * 20
    responses = [
        make_response(
            f"#### {5 if sample else 4}", make_prompt(f"p{n}", f"q {n}"), reasoning=f"{text} {n}", sample=sample
        )
        for n in range(10_000)
        for sample in range(2)
    ]
    report.write(run_directory(tmp_path, responses), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert len(page) < 5_000_000
    assert '"total":10000' in page and "wrong answer" in page


def test_the_page_opens_on_the_result_and_on_the_traces_that_the_best_student_learnt_from(tmp_path: Path) -> None:
    """Two runs of filter on the same answers: the first by name kept everything, the best student saw the other one."""
    folder = tmp_path / "run"
    folder.mkdir()
    source = folder / "responses.jsonl"
    prompts = [make_prompt(f"p{n}", f"2+{n}?", str(2 + n)) for n in range(4)]
    given = [make_response(f"#### {2 + n + s}", one, sample=s) for n, one in enumerate(prompts) for s in (1, 0)]
    write_records(source, given)
    for name, keep in (("all", True), ("verified", False)):
        config = FilterConfig(verify="math", keep_incorrect=keep, select="first:k=1")
        filtering.run(source, folder / f"{name}.jsonl", config, Silent())
        formatting.run(folder / f"{name}.jsonl", folder / f"{name}.train.jsonl", FormatConfig(), Silent())
        trained(folder / f"student-{name}", folder / f"{name}.train.jsonl")
    right = {"student-verified": [True] * 4, "student-all": [True, False, False, False], "tiny": [False] * 4}
    scored(folder / "scores.json", {name if name == "tiny" else str(folder / name): of for name, of in right.items()})
    report.write(folder, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    headline = re.search(r'<p class="headline">(.*?)</p>', page)
    assert headline
    assert headline[1] == (
        "student-verified gets 100.0% of 4 held-out prompts right, 75.0 points more than student-all (25.0%), "
        "which may be chance (p = 0.25); untrained tiny, from which it was trained, 0.0%."
    )
    assert page.index("headline") < page.index("<nav>") < page.index("<section")
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert [one["name"] for one in data["traces"]] == ["verified.jsonl", "all.jsonl"]
    first = data["traces"][0]["prompts"][0]["samples"]
    assert [(one["status"], one["decision"]) for one in first] == [("right", "kept"), ("wrong", "wrong answer")]
    beside = data["answers"]
    assert beside["names"] == ["student-verified", "student-all", "untrained tiny"]
    assert {tuple(one["mark"] for one in prompt["answers"]) for prompt in beside["prompts"]} == {
        ("right", "right", "wrong"), ("right", "wrong", "wrong"),
    }  # fmt: skip


def test_the_whole_conversation_and_the_teacher_s_answer_to_a_held_out_prompt_are_shown(tmp_path: Path) -> None:
    turns = (("system", "Be brief."), ("user", "Hello"), ("assistant", "Hi"), ("user", "2+2?"))
    messages = tuple(Message(role=role, content=words) for role, words in turns)  # type: ignore[arg-type]
    prompt = Prompt(id="chat", messages=messages, reference="4")
    folder = run_directory(tmp_path, [make_response("#### 5", prompt), make_response("#### 4", prompt, sample=1)])
    trained(folder / "student", folder / "train.jsonl")
    scored(folder / "scores.json", {str(folder / "student"): [True]}, [prompt])
    report.write(folder, tmp_path / "page.html")
    data = json.loads((tmp_path / "page.html").read_text().partition('id="data">')[2].partition("</script>")[0])
    (shown,) = data["answers"]["prompts"]
    assert [(turn["role"], turn["content"]) for turn in shown["turns"]] == list(turns)
    assert data["answers"]["names"] == ["student", "teacher"]
    assert [one["text"] for one in shown["answers"]] == ["Answer: 4", "#### 5"]


def test_of_a_program_the_tests_are_shown_as_they_are_written_and_why_it_is_wrong(tmp_path: Path) -> None:
    suite = {"test": "def check(candidate):\n    assert candidate(1) == 2", "entry_point": "add"}
    prompt = make_prompt("p", "Write add.", json.dumps(suite))
    verdict = Verdict(status="incorrect", method="code/bubblewrap", detail="the program does not define add")
    assert traces.asked(prompt)["reference"] == suite["test"]
    assert traces.asked(make_prompt("p", "2+2?", "4"))["reference"] == "4"
    assert traces.answer(Judged(response=make_response("```python\n1\n```", prompt), verdict=verdict))["detail"] == (
        "the program does not define add"
    )


def test_labels_are_shown_class_by_class_beside_what_guessing_gets(tmp_path: Path) -> None:
    labels = ["billing", "bug", "billing", "billing"] * 10
    asked = [
        make_prompt(f"t{n}", f"ticket {n}", one, verifier="label:labels=billing|bug") for n, one in enumerate(labels)
    ]
    said = [make_response("billing" if n == 1 else one.reference or "", one) for n, one in enumerate(asked)]
    for name, records in (("prompts", asked), ("student", said)):
        write_records(tmp_path / f"{name}.jsonl", records)
    config = EvaluateConfig(student=str(tmp_path / "student.jsonl"))
    evaluating.run(tmp_path / "prompts.jsonl", tmp_path / "scores.json", config, Silent())
    report.write(tmp_path, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "Guessing always &#x27;billing&#x27; would be right on 75.0%." in page
    (row,) = re.findall(r"<tr><td>bug</td>(.*?)</tr>", page)
    assert re.findall(r">([^<>]+)</td>", row) == ["10", "100.0%", "90.0%", "0.947", "billing 1"]


def test_scores_whose_answers_are_gone_still_have_their_picture(tmp_path: Path) -> None:
    folder = run_directory(tmp_path, [make_response("#### 4")])
    scored(folder / "scores.json", {"student": [True, False]})
    (folder / "scores.answers.jsonl").unlink()
    report.write(folder, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "scores.answers.jsonl: missing; it holds the answers" in page
    assert '<span class="value">50.0%</span>' in page


def test_a_directory_without_a_run_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no manifest of a stage in it"):
        report.write(tmp_path, tmp_path / "page.html")
    done = cotdistill("report", tmp_path / "none", "-o", tmp_path / "page.html")
    assert (done.returncode, "no such directory" in done.stderr) == (2, True)
