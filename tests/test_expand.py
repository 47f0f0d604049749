"""New prompts from seeds, on the embedded teacher: what is kept, what is left out and why, what it costs."""

import asyncio
import re
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cotdistill import report
from cotdistill.artifacts import Manifest
from cotdistill.artifacts.json_lines import read_records
from cotdistill.config import ExpandConfig, FilterConfig, GenerateConfig
from cotdistill.errors import DONE, USAGE, CotDistillError, UsageError
from cotdistill.expanders import persona, topic
from cotdistill.mock import problems
from cotdistill.progress import Silent
from cotdistill.records import DroppedPrompt, Judged, Message, Prompt, question_of
from cotdistill.stages import expand, generate
from cotdistill.stages import filter as filtering
from cotdistill.stages.expand.answerable import Answerable
from cotdistill.stages.expand.majority import Majority
from cotdistill.stages.expand.plan import Plan
from cotdistill.stages.expand.reading import new_prompt
from cotdistill.stages.expand.sieve import Candidate, Sieve
from cotdistill.stages.expand.sources import Source
from cotdistill.stages.expand.trust import Trust
from cotdistill.stages.format.sides import is_held_out
from cotdistill.stages.generate import batch
from cotdistill.stages.generate.batch.calls import Pace
from tests.batch_world import QUICK, world
from tests.conftest import cotdistill, make_prompt, make_response, start, write_records
from tests.faulty_teacher import rehearsing

SEEDS = 20
ANY: dict[str, Any] = {"min_accuracy": 0.0, "weight": 0.5}
"""Whatever the answers agree on, so that fewer are asked."""

MOCK = ExpandConfig(teacher="mock", count=30, method=("vary,evolve",), price_in=1.0, price_out=2.0, **ANY)


def write_seeds(path: Path, count: int = SEEDS, seed: int = 3) -> Path:
    chosen = problems.generate(count, seed=seed)
    write_records(path, (one.as_prompt(f"p{n}") for n, one in enumerate(chosen)))
    return path


def run(folder: Path, config: ExpandConfig, output: str = "new.jsonl", seeds: Path | None = None) -> Manifest:
    seeds = seeds or (folder / "seeds.jsonl")
    if not seeds.exists():
        write_seeds(seeds)
    return expand.run(seeds, folder / output, replace(config, cache=str(folder / "store.sqlite")), Silent())


def prompts(path: Path) -> list[Prompt]:
    return list(read_records(path, Prompt))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 30 prompts by two methods, in a folder with seeds and store."""
    folder = tmp_path_factory.mktemp("expand")
    run(folder, MOCK)
    return folder


def test_new_prompts_carry_where_they_come_from_and_what_their_reference_is_worth(done: Path) -> None:
    found = prompts(done / "new.jsonl")
    assert len(found) == len({one.id for one in found}) == 30
    tags = [one.tags or {} for one in found]
    assert {tag["method"] for tag in tags} == {"vary", "evolve"}
    assert {tag["reference_by"] for tag in tags} == {"majority"} and {tag["weight"] for tag in tags} == {"0.50"}
    assert {tag["votes"] for tag in tags} <= {"2 of 4", "3 of 4", "4 of 4"}
    chains = [problems.parse(question_of(one)) for one in found]
    assert all(chains), "each is a problem, and nothing stands around it"
    seeds = {question_of(one) for one in prompts(done / "seeds.jsonl")}
    assert not seeds & {question_of(one) for one in found}
    deeper = [len(chain.steps) for chain, tag in zip(chains, tags, strict=True) if chain and tag["facet"] == "deeper"]
    assert set(deeper) == {problems.STEPS + 1}, "one step more than the seed"


def test_what_was_left_out_keeps_its_reason_and_the_manifest_counts_by_method(done: Path) -> None:
    manifest = msgspec.json.decode((done / "new.manifest.json").read_bytes(), type=Manifest)
    left = list(read_records(done / "new.dropped.jsonl", DroppedPrompt))
    assert manifest.counts["written"] == 30 + len(left) and manifest.complete
    assert Counter(one.filter for one in left).keys() <= {
        *("answerable", "exact_duplicate", "instruction_leak", "near_duplicate", "count", "stop_reason"),
    }
    methods = manifest.results["methods"]
    assert sum(one["kept"] for one in methods.values()) == 30
    assert abs(methods["vary"]["asked"] - methods["evolve"]["asked"]) <= 1, "the methods take turns"
    assert 0 < manifest.results["seeds_covered_share"] <= 1 and 0 < manifest.results["distinct_2_share"] <= 1
    assert float(manifest.results["cost_usd_per_kept"]) * 30 == pytest.approx(float(manifest.cost_usd or 0), rel=1e-3)


def test_the_same_again_is_free_and_more_begins_with_the_same(done: Path) -> None:
    first = (done / "new.jsonl").read_bytes()
    again = run(done, MOCK, "again.jsonl")
    assert again.counts["bought"] == 0 and (done / "again.jsonl").read_bytes() == first
    more = run(done, replace(MOCK, count=40), "more.jsonl")
    assert (done / "more.jsonl").read_bytes().startswith(first)
    assert more.counts["bought"] < 5 * (more.counts["written"] - again.counts["written"]) + 5
    assert not (done / "more.jsonl.partial.work").exists()


def test_the_answers_that_agreed_are_generates_own(done: Path) -> None:
    """Asking the same teacher for as many answers to the new prompts costs nothing more."""
    asked = GenerateConfig(teacher="mock", samples=4, cache=str(done / "store.sqlite"))
    answered = generate.run(done / "new.jsonl", done / "answers.jsonl", asked, Silent())
    assert answered.counts["bought"] == 0
    kept = filtering.run(done / "answers.jsonl", done / "kept.jsonl", FilterConfig(weight="difficulty"), Silent())
    judged = list(read_records(done / "kept.jsonl", Judged))
    agreed = [one for one in judged if one.pass_rate == 0.5]
    assert agreed and {one.weight for one in agreed} == {0.25}, "1 - 0.5, and half of it, as nobody verified"
    assert "accuracy" not in kept.results, "how often a teacher agrees with itself is no accuracy"
    assert any("nobody has verified" in note for note in kept.notes)


def test_a_dry_run_sends_nothing_and_guesses_from_what_is_stored(tmp_path: Path) -> None:
    cold = run(tmp_path, replace(MOCK, dry_run=True))
    assert cold.counts["in_store"] == 0 and cold.counts["to_ask"] > 30 and "cost_usd" not in cold.results
    assert not (tmp_path / "new.jsonl").exists()
    paid = float(run(tmp_path, MOCK).cost_usd or 0)
    planned = run(tmp_path, replace(MOCK, count=90, dry_run=True))
    real = run(tmp_path, replace(MOCK, count=90))
    # Some 45 tries say what share is kept, give or take 7 points; the benchmark shows 10 % after more of them.
    assert float(planned.results["cost_usd"]) + paid == pytest.approx(float(real.cost_usd or 0), rel=0.25)
    assert planned.counts["to_ask"] == pytest.approx(real.counts["bought"], rel=0.25)


def test_money_that_runs_out_keeps_what_is_decided_and_the_same_command_goes_on(tmp_path: Path) -> None:
    short = run(tmp_path, replace(MOCK, max_cost=0.02, max_output_tokens=100))
    assert short.stopped_by == "budget" and not short.complete
    assert 0 <= short.counts["new_prompts"] < 30
    whole = run(tmp_path, replace(MOCK, max_output_tokens=100), "whole.jsonl")
    other = tmp_path / "other"
    other.mkdir()
    undisturbed = run(other, replace(MOCK, max_output_tokens=100), seeds=tmp_path / "seeds.jsonl")
    assert short.counts["bought"] + whole.counts["bought"] == undisturbed.counts["bought"]
    assert (tmp_path / "whole.jsonl").read_bytes() == (other / "new.jsonl").read_bytes()


def test_a_method_that_yields_little_is_stopped_and_said(tmp_path: Path) -> None:
    poor = tmp_path / "poor.py"
    poor.write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Expander:\n    '''Gets no answer.'''\n"
        "    def facets(self): return {str(n): '' for n in range(9)}\n"
        "    def instruction(self, source, wish): return f'Say something about {len(source)} {wish}'\n"
    )
    manifest = run(tmp_path, replace(MOCK, count=60, method=(str(poor), "vary")))
    assert manifest.results["methods"]["poor"] == {"asked": 30, "kept": 0, "yield": 0.0}
    assert manifest.results["methods"]["vary"]["kept"] == manifest.counts["new_prompts"] == 60


@pytest.mark.parametrize(
    ("facets", "instruction", "problem"),
    [
        ("{'a': ''}", "1 / 0", r"mine.py:7: method 'mine' failed on seed 'p\d+': ZeroDivisionError"),
        ("{'a': ''}", "None", r"method 'mine': expected a text for seed 'p\d+', got None"),
        ("['a']", "source", r"method 'mine': expected facets as a dict of names and wishes, got \['a'\]"),
        ("exit(3)", "source", r"mine.py:5: method 'mine' failed on its facets: it calls sys.exit\(3\)"),
    ],
)
def test_what_a_method_of_ones_own_does_wrong_is_one_line(
    tmp_path: Path, facets: str, instruction: str, problem: str
) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Expander:\n    def facets(self):\n"
        f"        return {facets}\n    def instruction(self, source, wish):\n        return {instruction}\n"
    )
    with pytest.raises(CotDistillError, match=problem):
        run(tmp_path, replace(MOCK, samples=0, min_accuracy=0.5, weight=None, method=(str(tmp_path / "mine.py"),)))


def test_a_topic_tree_of_the_teachers_own_is_asked_for_first(tmp_path: Path) -> None:
    manifest = run(tmp_path, replace(MOCK, count=20, method=("topic:surveys=1,breadth=2",)))
    facets = {(one.tags or {})["facet"] for one in prompts(tmp_path / "new.jsonl")}
    assert len(facets) > 3 and all(" > " in one for one in facets)
    for one in prompts(tmp_path / "new.jsonl"):
        chain = problems.parse(question_of(one))
        assert chain and f"chains of {len(chain.steps)} steps" in (one.tags or {})["facet"]
    assert manifest.counts["new_prompts"] == 20


def test_people_of_a_list_who_begin_alike_are_all_asked_for_and_topics_have_no_control_characters(
    tmp_path: Path,
) -> None:
    (tmp_path / "people.txt").write_text("a cook who plans bread\na cook who plans soup\na cook who eats\n")
    people = list(persona.Expander(file=str(tmp_path / "people.txt")).facets())
    assert people == ["a cook who plans bread", "a cook who plans soup", "cook-who-eats"]
    topics = topic.Expander()
    topics.learn(["- \x1b[31mred > \u202eblue\n* red\x00"])
    assert list(topics.facets()) == ["[31mred > blue", "red"]


def test_seeds_with_long_references_are_open_and_get_no_reference(tmp_path: Path) -> None:
    open_ones = tmp_path / "open.jsonl"
    open_ones.write_bytes(
        b"".join(
            msgspec.json.encode(msgspec.structs.replace(one, reference="It depends on many things. " * 5)) + b"\n"
            for one in prompts(write_seeds(tmp_path / "seeds.jsonl", 5))
        )
    )
    with pytest.raises(UsageError, match=r"--samples 3: most seeds have long references"):
        run(tmp_path, replace(MOCK, samples=3), seeds=open_ones)
    manifest = run(tmp_path, replace(MOCK, count=5), seeds=open_ones)
    assert {one.reference for one in prompts(tmp_path / "new.jsonl")} == {None}
    assert any("their questions are open" in note for note in manifest.notes)


def test_of_mixed_seeds_only_those_with_short_references_are_answered_and_the_system_prompt_stays(
    tmp_path: Path,
) -> None:
    system = Message(role="system", content="Answer with one digit, or with an essay, as you are asked to.")
    chosen = [
        msgspec.structs.replace(
            one,
            reference="It depends on many things. " * 5 if number < 2 else one.reference,
            messages=(system, *one.messages),
        )
        for number, one in enumerate(prompts(write_seeds(tmp_path / "seeds.jsonl", 6)))
    ]
    mixed = tmp_path / "mixed.jsonl"
    write_records(mixed, chosen)
    run(tmp_path, replace(MOCK, count=20, method=("vary",)), seeds=mixed)
    found = prompts(tmp_path / "new.jsonl")
    seeds_of = [
        {(one.tags or {})["seed"] for one in found if (one.reference is None) is is_open} for is_open in (True, False)
    ]
    assert seeds_of[0] == {"p0", "p1"} and seeds_of[1] and not seeds_of[1] & {"p0", "p1"}
    assert all(one.messages[0] == system and len(one.messages) == 2 for one in found)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"method": ("evolv",)}, r"no expander named 'evolv'.*did you mean 'evolve'"),
        ({"method": ("vary,vary",)}, r"--method: 'vary' is given twice"),
        ({"method": ("document,vary",)}, r"--method: document reads its seeds from documents"),
        ({"solver_price_in": 1.0}, r"--solver-price-in: goes with --solver;"),
        ({"samples": 0, "template": "worked"}, r"--template: is about the answers to the new prompts"),
        ({"samples": 0}, r"--weight: is about the answers to the new prompts, and --samples 0 asks for none"),
        ({"method": ("document",)}, r"--min-accuracy: is about seeds with answers, and document reads documents"),
        ({"seed": -1}, r"--seed: expected 0 to 4294967295, got -1"),
        ({"samples": 1}, r"--samples: one answer agrees with itself"),
        ({"agreement": 1.5}, r"--agreement: expected 0 to 1"),
        ({"teacher": "vllm:m", "max_cost": 1.0, "price_in": None, "price_out": None}, r"price"),
        ({"count": 0}, r"--count: expected at least 1"),
        ({"per_seed": 2.0}, r"--per-seed: says how many new prompts there are, as --count does"),
        ({"samples": 10**9}, r"--samples: expected 0 to 10000"),
        ({"holdout": 0.999}, r"--holdout 0.999: holds out all of the 20 seeds, which leaves none to write about"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_is_asked(
    tmp_path: Path, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(CotDistillError, match=problem):
        run(tmp_path, replace(MOCK, **options))
    assert not (tmp_path / "new.jsonl").exists()


def test_more_seeds_leave_the_lines_of_the_others_in_their_order() -> None:
    def lines(*names: str) -> list[tuple[str, str]]:
        seeds = [Source(name, f"{SEED_TEXT} {name}", make_prompt(name, SEED_TEXT)) for name in names]
        plan = Plan(seeds, expand.expanders_of(replace(MOCK, method=("vary",))), seed=0)
        return [(line.source.text, line.facet) for line in plan.take(60)]

    few = [f"s{number}" for number in range(10)]
    old = lines(*few)
    new = lines("first", *few, "last")
    of_old = [line for line in new if line in old]
    assert of_old == [line for line in old if line in of_old], "each in its place"
    assert len(of_old) > 40, "a run that pays for answers finds most of them in its store"
    assert {text.rsplit(" ", 1)[1] for text, _ in new[:12]} == {"first", "last", *few}, "and the new ones come soon"


def test_conversations_of_several_turns_are_no_seeds(tmp_path: Path) -> None:
    turns = [{"role": role, "content": "Why?"} for role in ("user", "assistant", "user")]
    (tmp_path / "seeds.jsonl").write_bytes(msgspec.json.encode({"messages": turns}) + b"\n")
    with pytest.raises(CotDistillError, match=r"seeds.jsonl: expected prompts of one question each"):
        run(tmp_path, MOCK)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("How many are left?", "How many are left?"),
        ("**New problem:** How many?", "How many?"),
        ("Here is a new question: How many?", "How many?"),
        ("```text\nHow many?\n```", "How many?"),
        ("<problem>\nHow many?\n</problem>", "How many?"),
        ("Problem solving takes how long?", "Problem solving takes how long?"),
        ("\x1b]0;title\x07How\x00 many\u202e?\r\n", "]0;titleHow many?"),
        ("چند می\u200cخواهید؟", "چند می\u200cخواهید؟"),
        ("Question the witness: who was it?", "Question the witness: who was it?"),
    ],
)
def test_the_prompt_is_read_without_the_label_that_a_teacher_puts_before_it(written: str, wanted: str) -> None:
    assert new_prompt(written) == wanted


SEED_TEXT = "Anna has 12 apples and gives away 5 of them. How many apples does Anna have left now?"


def look(written: str, config: ExpandConfig = MOCK, **more: Any) -> Candidate | DroppedPrompt:
    """What the sieve says of one text that was written after one seed."""
    source = Source("s", SEED_TEXT, make_prompt("s", SEED_TEXT, "7"))
    expanders = expand.expanders_of(config)
    plan = Plan([source], expanders, seed=0)
    (line,) = plan.take(1)
    return Sieve.build(config, [source], expanders).look(
        line, make_response(written, prompt=plan.request(line), **more)
    )


@pytest.mark.parametrize(
    ("written", "filter", "reason"),
    [
        (SEED_TEXT, "exact_duplicate", "same problem under another id"),
        (SEED_TEXT.replace("How many apples does", "Then how many apples does"), "near_duplicate", "another problem"),
        (f"Write only the new problem: no title, no answer, no remark. {SEED_TEXT}", "instruction_leak", "repeats"),
        ("<seed> Ben has 30 pears. How many?", "instruction_leak", "repeats the instruction"),
        ("Why?", "length", "prompt under 8 characters"),
        ("How many? " * 200, "length", "prompt over"),
        ("Аня дала Борису пять яблок из двенадцати, сколько осталось у неё?", "language", "another script"),
        ("", "stop_reason", "nothing was written"),
    ],
)
def test_a_written_prompt_is_left_out_with_its_reason(written: str, filter: str, reason: str) -> None:
    found = look(written)
    assert isinstance(found, DroppedPrompt) and found.filter == filter and reason in found.reason, found


def test_another_problem_in_the_same_words_is_kept_and_one_of_the_evaluation_set_is_not(tmp_path: Path) -> None:
    other = SEED_TEXT.replace("12", "31").replace("5", "9")
    assert isinstance(look(other), Candidate), "other numbers make another problem"
    (tmp_path / "exam.jsonl").write_text(msgspec.json.encode({"question": other, "answer": "22"}).decode() + "\n")
    found = look(other, replace(MOCK, against=(str(tmp_path / "exam.jsonl"),)))
    assert isinstance(found, DroppedPrompt) and found.filter == "contamination"
    assert found.reason == "in an evaluation set | exam.jsonl:1"


@pytest.mark.parametrize(
    ("said", "reference"),
    [
        (["Answer: 7", "The answer is 7.", "\\boxed{7}", "Answer: 8"], "7"),
        (["Answer: 7", "Answer: 8", "Answer: 7", "Answer: 8"], None),
        (["Answer: 7", "Answer: 8", "Answer: 9", "Answer: 10"], None),
        (["It cannot be determined: z is not given."] * 4, None),
        (["I'm sorry, but I can't help with that."] * 4, None),
        (["There is not enough information."] * 2 + ["Answer: 7"] * 2, "7"),
        ([""] * 4, None),
    ],
)
def test_a_prompt_is_kept_where_its_answers_agree_on_an_answer(said: list[str], reference: str | None) -> None:
    candidate = look(SEED_TEXT.replace("12", "31"))
    assert isinstance(candidate, Candidate)
    answers = [make_response(text, prompt=candidate.prompt, sample=number) for number, text in enumerate(said)]
    found = Answerable(Majority(4, agreement=0.5), Trust(), min_accuracy=0.5, weight=None).look(candidate, answers)
    if reference is None:
        assert (
            isinstance(found, DroppedPrompt)
            and found.filter == "answerable"
            and found.text == question_of(candidate.prompt)
        )
    else:
        assert isinstance(found, Prompt) and found.reference == reference


def test_a_reference_is_worth_what_such_references_are_worth_on_the_seeds(done: Path, tmp_path: Path) -> None:
    """The embedded teacher has a habit: 3 of 4 of its answers agree on a wrong one more often than on a right one."""
    write_seeds(tmp_path / "seeds.jsonl", 60)
    manifest = run(tmp_path, replace(MOCK, count=15, method=("vary",), min_accuracy=0.6, weight=None))
    measured = manifest.results["majority_on_seeds"]
    assert sum(one["seeds"] for one in measured.values()) > 40
    kept = Counter((one.tags or {})["votes"] for one in prompts(tmp_path / "new.jsonl"))
    assert set(kept) == {"4 of 4"}, "3 of 4 are right on fewer than 0.6 of the seeds"
    share = measured["4 of 4"]["right"] / measured["4 of 4"]["seeds"]
    weights = {float((one.tags or {})["weight"]) for one in prompts(tmp_path / "new.jsonl")}
    assert len(weights) == 1 and weights.pop() == pytest.approx(share, abs=0.02)
    assert manifest.results["wrong_references_expected_share"] == pytest.approx(1 - share, abs=0.02)
    assert any(note.startswith("WARNING: by the seeds, ") for note in manifest.notes)
    left = list(read_records(tmp_path / "new.dropped.jsonl", DroppedPrompt))
    assert any(one.reason.startswith("so few votes are right too seldom | 3 of 4, right on") for one in left)


def test_a_run_that_is_killed_loses_nothing_and_buys_nothing_twice(done: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        async with rehearsing(tmp_path, latency_s=0.01) as here:
            words = ["expand", str(done / "seeds.jsonl"), "-o", str(tmp_path / "new.jsonl"), "--count", "30"]
            words += ["--method", "vary,evolve", "--concurrency", "4", "--min-accuracy", "0", "--weight", "0.5"]
            words += [*here.words(), "--quiet"]
            with start(*words) as killed:
                while here.answers < 60 and killed.poll() is None:
                    await asyncio.sleep(0.005)
                assert killed.poll() is None, "some prompts are written, and their answers under way"
                killed.send_signal(signal.SIGKILL)
            again = await asyncio.to_thread(cotdistill, *words)
            assert again.returncode == 0, again.stderr
            bought = Counter(bill["idempotency_key"] for bill in here.bills())
            assert bought.total() - len(bought) <= 4, "what was in flight, at most"
            assert bought.keys() == here.stored()

    asyncio.run(scene())
    assert (tmp_path / "new.jsonl").read_bytes() == (done / "new.jsonl").read_bytes(), "as if nothing had happened"


def test_batches_give_the_same_prompts_at_half_the_price(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "PACE", Pace(**QUICK))

    async def scene() -> None:
        async with world(tmp_path) as here:
            config = ExpandConfig(
                **here.teacher("openai"), count=5, method=("vary",), batch=True, price_in=1.0, price_out=2.0, **ANY
            )
            manifest = await asyncio.to_thread(
                expand.run, done / "seeds.jsonl", tmp_path / "batched.jsonl", config, Silent()
            )
            online = manifest.counts["bought"] - here.ledger["batch_answers"]
            assert manifest.counts["bought"] > 20 and online <= 4, "the first request of each batch tries the account"
            other = await asyncio.to_thread(run, tmp_path, replace(MOCK, count=5, method=("vary",)), "online.jsonl")
            assert (tmp_path / "batched.jsonl").read_bytes() == (tmp_path / "online.jsonl").read_bytes()
            each = [float(one.results["methods"]["vary"]["cost_usd_per_kept"]) for one in (manifest, other)]
            assert each[0] < 0.7 * each[1], "half, and some requests more, as a round takes a day"

    asyncio.run(scene())


def test_seeds_that_format_will_hold_out_are_left_alone_and_nothing_like_them_is_written(tmp_path: Path) -> None:
    config = replace(MOCK, count=20, method=("vary",), holdout=0.4, include_seeds=True)
    manifest = run(tmp_path, config)
    seeds, found = prompts(tmp_path / "seeds.jsonl"), prompts(tmp_path / "new.jsonl")
    held_out = {one.id for one in seeds if is_held_out(one, 0.4)}
    assert manifest.counts["seeds"] == SEEDS - len(held_out) and held_out
    assert [one.id for one in found[:SEEDS]] == [one.id for one in seeds], "all seeds, for format to hold out its share"
    assert not held_out & {(one.tags or {})["seed"] for one in found[SEEDS:]}
    left = [one for one in read_records(tmp_path / "new.dropped.jsonl", DroppedPrompt) if one.filter == "contamination"]
    assert all("hold-out.jsonl p" in one.reason for one in left)
    assert not any(is_held_out(one, 0.999) for one in found[SEEDS:]), "what nobody verified is no exam"


def test_references_by_majority_say_nothing_of_a_solver(done: Path) -> None:
    again = run(done, replace(MOCK, count=2, method=("vary",)), "third.jsonl", seeds=done / "new.jsonl")
    assert again.results["majority_on_seeds"] == {}


def test_the_page_of_a_run_shows_what_each_method_gave_and_what_references_are_worth(
    done: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    for name in ("new.jsonl", "new.manifest.json", "new.dropped.jsonl"):
        (tmp_path / "run" / name).write_bytes((done / name).read_bytes())
    report.write(tmp_path / "run", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    manifest = msgspec.json.decode((done / "new.manifest.json").read_bytes(), type=Manifest)
    for method, one in manifest.results["methods"].items():
        assert re.search(rf"{method}</td>.*?{one['asked']}.*?{one['kept']}.*?{one['yield']:.1%}", page, re.DOTALL)
    votes = manifest.results["majority_on_seeds"]["4 of 4"]
    assert f"{votes['right']} right of {votes['seeds']}" in page
    assert "too few of its answers agree (answerable)" in page


def test_a_method_that_keeps_nothing_of_its_first_few_is_asked_no_further_than_thirty_times(tmp_path: Path) -> None:
    poor = tmp_path / "poor.py"
    poor.write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Expander:\n    '''Gets no answer.'''\n"
        "    def facets(self): return {str(n): '' for n in range(90)}\n"
        "    def instruction(self, source, wish): return f'Say something about {len(source)} {wish}'\n"
    )
    manifest = run(tmp_path, replace(MOCK, count=3, method=(str(poor),)))
    assert manifest.results["methods"]["poor"] == {"asked": 30, "kept": 0, "yield": 0.0}


@pytest.mark.parametrize("words", [["--dry-run"], ["--dry-run", "--method", "topic"], ["--batch"]])
def test_a_store_of_this_output_alone_goes_at_once_where_nothing_was_paid_for(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "seeds.jsonl").write_text('{"id": "1", "question": "a=1 b=a+1 b?", "reference": "2"}\n')
    made = tmp_path / "out" / "more.jsonl"
    asked: list[str | Path] = [
        "expand",
        tmp_path / "seeds.jsonl",
        "-o",
        made,
        "--teacher",
        "mock:digit-chains",
        "--samples",
        "0",
    ]
    done = cotdistill(*asked, "--no-cache", *words)
    expected = (USAGE, "ends with the run") if words == ["--batch"] else (DONE, "dry run, nothing written")
    assert (done.returncode, expected[1] in done.stderr) == (expected[0], True), done.stderr
    assert not [*tmp_path.glob("out/*")]
