"""A recipe is checked whole before anything is sent: one table of wrong settings, over every field of every stage."""

import sys
from pathlib import Path

import pytest

from cotdistill import config
from cotdistill.errors import AccountError, UsageError
from cotdistill.recipes.recipe import read
from cotdistill.recipes.references import STAGES
from tests.conftest import cotdistill

RECIPE = """
prompts = "prompts.jsonl"
[generate]
teacher = "mock:digit-chains"
samples = 2
[filter]
[format]
holdout = 0.2
[finetune]
student = "tiny"
[evaluate]
"""

SIXTEEN = [
    ('finetune.method="loraa"', "finetune.method: expected lora, qlora or full, got 'loraa'"),
    ('finetune.packing="tight"', "finetune.packing: expected auto, bfd or none, got 'tight'"),
    ('finetune.checkpointing="maybe"', "finetune.checkpointing: expected auto, on or off, got 'maybe'"),
    ("finetune.patience=2", "finetune.patience: needs --eval-data"),
    ("finetune.epochs=-1", "finetune.epochs: expected more than 0, got -1"),
    ("finetune.learning_rate=-1", "finetune.learning_rate: expected more than 0, got -1"),
    ('filter.weight="hard"', "filter.weight: expected none, difficulty or uncertainty, got 'hard'"),
    ('filter.engine="spark"', "filter.engine: expected local or ray, got 'spark'"),
    ('format.export=["nope"]', "format.export: no export named 'nope'; there are: axolotl, llama-factory"),
    ('format.mix=["a"]', "format.mix: expected TAG=VALUE:TIMES"),
    ("format.cut_long=true", "format.cut_long: goes with --student"),
    ('evaluate.export="x"', "evaluate.export: no export named 'x'; there are: lm-eval"),
    ('evaluate.baseline=["nodir/x"]', "evaluate.baseline: model nodir/x: not on this machine"),
    ("generate.price_in=1", "generate.price_in: goes with --price-out"),
    ('generate.template="wroked"', "generate.template: no template named 'wroked'"),
    ("generate.until_accepted=3", "generate.until_accepted: 3 correct answers need as many --samples"),
]
"""Each was once found only after the teacher had been paid, or by generate alone."""

MORE = [
    ('generate.engine="tgi"', "generate.engine: expected"),
    ('evaluate.engine="tgi"', "evaluate.engine: expected"),
    ('evaluate.precision="float16"', "evaluate.precision: expected"),
    ("keep=-3", "keep: expected at least 1, got -3"),
    ("keep=0", "keep: expected at least 1, got 0"),
    ('keep="all"', "keep: expected a whole number, at least 1, got 'all'"),
    ("max_cost_per_month=-1", "max_cost_per_month: expected at least 0, got -1"),
    ("max_cost_per_month=nan", "max_cost_per_month: expected at least 0, got nan"),
    ("max_cost_per_month=inf", "max_cost_per_month: expected a number, at least 0, got inf"),
    ('prompts=""', "prompts: expected a text that is not empty"),
    ('prompts="none.jsonl"', "prompts: none.jsonl: "),
    ('prompts="folder"', "prompts: folder: "),
    ('prompts="empty.jsonl"', "prompts: empty.jsonl: no prompts in it"),
    ("prompts.x=1", "--set prompts.x=1: prompts is no table"),
    ('runs="prompts.jsonl"', "runs: prompts.jsonl: is a file; expected a directory"),
    ('runs="old"', "runs: old/latest is no link"),
    ('generate.teacher="openai"', "generate.teacher: teacher 'openai': expected PROVIDER:MODEL"),
    ('generate.teacher="mock:none.jsonl"', "generate.teacher: teacher mock:none.jsonl: no such file"),
    ('generate.teacher="opnai:x"', "generate.teacher: no teacher named 'opnai'"),
    ('generate.base_url="localhost:80"', "generate.base_url: expected a URL that begins with http:// or https://"),
    ('generate.verify="math"', "generate.verify: here it goes with --until-accepted"),
    ('generate.then="mock:none.jsonl"', "generate.then: needs --verify"),
    ("generate.then_samples=0", "generate.then_samples: expected 1 to 10000, got 0"),
    ('generate.then_base_url="http://localhost/v1"', "generate.then_base_url: goes with --then"),
    ("generate.then_price_in=1", "generate.then_price_in: goes with --then"),
    ("generate.then_price_out=1", "generate.then_price_out: goes with --then"),
    ('generate.then_effort="low"', "generate.then_effort: goes with --then"),
    ('generate.then_license="x"', "generate.then_license: goes with --then"),
    ('generate.template="none.md"', "generate.template: none.md: no such template file"),
    ('generate.few_shot="none.jsonl"', "generate.few_shot: none.jsonl: "),
    ('generate.few_shot="wrong_shots.jsonl"', "generate.few_shot: wrong_shots.jsonl:1: no question"),
    ("generate.samples=1.5", "generate.samples: expected a whole number, 1 to 10000, got 1.5"),
    ("generate.samples=true", "generate.samples: expected a whole number, 1 to 10000, got True"),
    ("generate.max_output_tokens=0", "generate.max_output_tokens: expected at least 1, got 0"),
    ("generate.temperature=-0.5", "generate.temperature: expected at least 0, got -0.5"),
    ("generate.concurrency=0", "generate.concurrency: expected at least 1, got 0"),
    ("generate.rpm=0", "generate.rpm: expected at least 1, got 0"),
    ("generate.input_tpm=-5", "generate.input_tpm: expected at least 1, got -5"),
    ("generate.output_tpm=0", "generate.output_tpm: expected at least 1, got 0"),
    ("generate.timeout_s=0", "generate.timeout_s: expected more than 0, got 0"),
    ("generate.max_wait=0", "generate.max_wait: expected more than 0, got 0"),
    ("generate.max_attempts=0", "generate.max_attempts: expected at least 1, got 0"),
    ("generate.batch=true", "generate.batch: teacher 'mock'"),
    ('generate.batch="yes"', "generate.batch: expected true or false, got 'yes'"),
    ('generate.cache="folder"', "generate.cache: folder: is a directory"),
    ('generate.cache="prompts.jsonl"', "generate.cache: prompts.jsonl: is no store of answers"),
    ("generate.max_cost=-1", "generate.max_cost: expected at least 0, got -1"),
    ("generate.price_out=nan", "generate.price_out: expected at least 0, got nan"),
    ('generate.think_tags=["<a>"]', "generate.think_tags: "),
    ("generate.limit=0", "generate.limit: expected at least 1, got 0"),
    ('generate.prompt_field="quesiton"', "prompts: prompts.jsonl"),
    ('generate.id_field="Nr"', "prompts: prompts.jsonl:1: no column 'Nr' (--id-field)"),
    ("generate.reextract=true", "generate.reextract: not in a recipe"),
    ('filter.verify="meth"', "filter.verify: no verifier named 'meth'"),
    ('filter.verify="code:tests=none.py"', "filter.verify: code:tests=none.py: none.py cannot be read"),
    (
        'filter.verify="json_schema:schema=none.json"',
        "filter.verify: json_schema:schema=none.json: none.json cannot be",
    ),
    ('filter.verify="judge:teacher=anthropic:c"', "filter.verify: ANTHROPIC_API_KEY is not set"),
    ('filter.verify="judge:teacher=mock:digit-chains,rubric=none.md"', "filter.verify: "),
    ('filter.verify="judge:teacher=mock:none.jsonl"', "filter.verify: teacher mock:none.jsonl: no such file"),
    ('filter.filter=["length:min=abc"]', "filter.filter: 'length' has no option 'min'"),
    (
        'filter.filter=["length:min_answer=abc"]',
        "filter.filter: length:min_answer: expected a whole number, at least 0, got 'abc'",
    ),
    ('filter.filter=["length:tokenizer=./none"]', "filter.filter: no model './none'"),
    ('filter.filter=["contamination:against=none.jsonl"]', "filter.filter: contamination:against=none.jsonl: no eval"),
    ('filter.filter=["contamination:against=wrong_shots.jsonl"]', "filter.filter: wrong_shots.jsonl"),
    ("filter.filter=5", "filter.filter: expected a list, each a text that is not empty, got 5"),
    ('filter.filter="./none.py"', "filter.filter: none.py: no such plug-in file"),
    ('filter.against=["none.jsonl"]', "filter.against: none.jsonl: "),
    ('filter.against=["empty.jsonl"]', "filter.against: empty.jsonl: no prompts in it"),
    ('filter.select="shortest:k=0"', "filter.select: shortest:k: expected at least 1, got '0'"),
    ('filter.filter=["pass_rate"]', "filter.filter: pass_rate: every pass rate is from 0 to 1"),
    ("filter.incorrect_weight=0.5", "filter.incorrect_weight: goes with --keep-incorrect"),
    ('filter.cache="folder"', "filter.cache: folder: is a directory"),
    ("filter.workers=0", "filter.workers: expected at least 1, got 0"),
    ('filter.explain="p1"', "filter.explain: not in a recipe"),
    ('format.format="csv"', "format.format: no format named 'csv'"),
    ('format.format="alpaca"', "format.format: finetune cannot read alpaca rows"),
    ('format.format="dpo"', "format.format: dpo needs a right and a wrong answer of one prompt"),
    ("format.holdout=1", "format.holdout: expected 0 up to, not including, 1, got 1"),
    ("format.holdout=0", "evaluate.prompts: missing; name a file of held-out prompts, or set format.holdout"),
    ('format.student="./none"', "format.student: no model './none'"),
    ("format.max_length=100", "format.max_length: goes with --student"),
    ('format.order="hard"', "format.order: expected input, easy or short, got 'hard'"),
    ('format.order="easy"', "format.order: easy: finetune would shuffle the rows; set finetune.order"),
    ('finetune.order="random"', "finetune.order: expected shuffled or file, got 'random'"),
    ("generate.logprobs=21", "generate.logprobs: expected 1 to 20, got 21"),
    ('format.export=["axolotl"]', "format.export: --export axolotl: it would not find the trace"),
    ('format.mix=["a=b:nan"]', "format.mix: expected TAG=VALUE:TIMES"),
    ('finetune.student="./none"', "finetune.student: no model './none'"),
    ('finetune.student="nodir/x"', "finetune.student: model nodir/x: not on this machine"),
    ('finetune.method="qlora"', "finetune.method: qlora needs a hub id or a model directory"),
    ('finetune.eval_data="none.jsonl"', "finetune.eval_data: none.jsonl: "),
    ('finetune.eval_data="empty.jsonl"', "finetune.eval_data: empty.jsonl: holds no rows"),
    ('finetune.loss="sotf"', "finetune.loss: no loss named 'sotf'; there are: "),
    ('finetune.loss="soft:alpha=2"', "finetune.loss: soft:alpha: expected 0 to 1, got '2'"),
    ('finetune.teacher="local:x"', "finetune.teacher: goes with --on-policy, or with a loss that asks one"),
    ("finetune.on_policy=0", "finetune.on_policy: expected at least 1, got 0"),
    ("finetune.on_policy=9", "finetune.on_policy: needs a --teacher that scores tokens: local:DIR, sglang:MODEL"),
    ('finetune.base_url="http://localhost/v1"', "finetune.base_url: goes with --on-policy"),
    ("finetune.max_output_tokens=0", "finetune.max_output_tokens: expected at least 1, got 0"),
    ("finetune.temperature=0", "finetune.temperature: expected more than 0, got 0"),
    ('finetune.verify="mth"', "finetune.verify: no verifier named 'mth'"),
    ('finetune.prompt_field="q"', "finetune.prompt_field: goes with --on-policy"),
    ('finetune.reference_field="a"', "finetune.reference_field: goes with --on-policy"),
    ("finetune.concurrency=0", "finetune.concurrency: expected at least 1, got 0"),
    ('finetune.cache="prompts.jsonl"', "finetune.cache: prompts.jsonl: is no store of answers"),
    ("finetune.max_cost=-1", "finetune.max_cost: expected at least 0, got -1"),
    ("finetune.price_in=-1", "finetune.price_in: expected at least 0, got -1"),
    ("finetune.warmup=2", "finetune.warmup: expected 0 to 1, got 2"),
    ("finetune.weight_decay=-1", "finetune.weight_decay: expected at least 0, got -1"),
    ("finetune.lora_rank=0", "finetune.lora_rank: expected at least 1, got 0"),
    ("finetune.lora_alpha=0", "finetune.lora_alpha: expected at least 1, got 0"),
    ("finetune.batch_size=0", "finetune.batch_size: expected at least 1, got 0"),
    ("finetune.rows_at_once=0", "finetune.rows_at_once: expected at least 1, got 0"),
    ("finetune.checkpoint_minutes=-1", "finetune.checkpoint_minutes: expected at least 0, got -1"),
    ("finetune.show_rows=-1", "finetune.show_rows: expected at least 0, got -1"),
    ('finetune.quant_aware="q4_k_m"', "finetune.quant_aware: expected q8_0 or q4_0, got 'q4_k_m'"),
    ("finetune.quant_aware_share=0.5", "finetune.quant_aware_share: goes with --quant-aware"),
    ('finetune.precision="fp8"', "finetune.precision: expected auto, float32 or bfloat16, got 'fp8'"),
    ("finetune.max_steps=0", "finetune.max_steps: expected at least 1, got 0"),
    ("finetune.max_length=0", "finetune.max_length: expected at least 1, got 0"),
    ("finetune.threads=0", "finetune.threads: expected at least 1, got 0"),
    ("finetune.seed=-1", "finetune.seed: expected 0 to 4294967295, got -1"),
    ('finetune.seed="a"', "finetune.seed: expected a whole number, 0 to 4294967295, got 'a'"),
    ("finetune.resume=true", "finetune.resume: not in a recipe"),
    ('prompts="a\\u0000b"', "prompts: expected a text without a zero byte, got 'a\\x00b'"),
    ('generate.cache="a\\u0000b"', "generate.cache: expected a text without a zero byte, got 'a\\x00b'"),
    ("generate.samples=" + "[" * 3000, "generate.samples: expected a whole number"),
    ('evaluate.student="./none"', "evaluate.student: no model './none'"),
    ('evaluate.student="anthropic:claude"', "evaluate.student: ANTHROPIC_API_KEY is not set"),
    ('evaluate.baseline=["openai:gpt"]', "evaluate.baseline: OPENAI_API_KEY is not set"),
    ('evaluate.guard="none.jsonl"', "evaluate.guard: none.jsonl: "),
    ('evaluate.draft_for="openai:m"', "evaluate.draft_for: compares models of this machine and recorded answers"),
    ('evaluate.guard_against="tiny"', "evaluate.guard_against: goes with --guard"),
    ('evaluate.baseline=["tiny", "tiny"]', "evaluate.baseline: 'tiny' is given twice"),
    ('evaluate.prompts="none.jsonl"', "evaluate.prompts: none.jsonl: "),
    ('evaluate.prompts="no_reference.jsonl"', "evaluate.prompts: no_reference.jsonl: prompt 'n1' has no reference"),
    ("evaluate.samples=0", "evaluate.samples: expected 1 to 10000, got 0"),
    ("evaluate.temperature=-1", "evaluate.temperature: expected at least 0, got -1"),
    ("evaluate.max_output_tokens=0", "evaluate.max_output_tokens: expected at least 1, got 0"),
    ('evaluate.verify="mth"', "evaluate.verify: no verifier named 'mth'"),
    ('evaluate.verify="none"', "evaluate.verify: none says of no answer whether it is right"),
    ('evaluate.base_url="localhost:80"', "evaluate.base_url: expected a URL that begins with http:// or https://"),
    ("evaluate.batch_size=0", "evaluate.batch_size: expected at least 1, got 0"),
    ("evaluate.concurrency=0", "evaluate.concurrency: expected at least 1, got 0"),
    ('evaluate.cache="prompts.jsonl"', "evaluate.cache: prompts.jsonl: is no store of answers"),
    ("evaluate.max_cost=-1", "evaluate.max_cost: expected at least 0, got -1"),
    ("evaluate.price_in=1", "evaluate.price_in: goes with --price-out"),
    ("evaluate.price_out=1", "evaluate.price_out: goes with --price-in"),
    ("evaluate.limit=0", "evaluate.limit: expected at least 1, got 0"),
    ("evaluate.threads=0", "evaluate.threads: expected at least 1, got 0"),
    ('evaluate.write_weak="w.jsonl"', "evaluate.write_weak: not in a recipe"),
    ("expand.count=0", "expand.count: expected at least 1, got 0"),
    ('expand.method="evovle"', "expand.method: no expander named 'evovle'"),
    ('expand.method=["vary", "document"]', "expand.method: document reads its seeds from documents"),
    ("expand.per_seed=0", "expand.per_seed: expected more than 0, got 0"),
    ("expand.samples=1", "expand.samples: one answer agrees with itself"),
    ("expand.agreement=2", "expand.agreement: expected 0 to 1, got 2"),
    ("expand.weight=2", "expand.weight: expected 0 to 1, got 2"),
    ("expand.min_accuracy=2", "expand.min_accuracy: expected 0 to 1, got 2"),
    ("expand.holdout=1.0", "expand.holdout: expected 0 up to, not including, 1"),
    ('expand.solver="openai:gpt"', "expand.solver: OPENAI_API_KEY is not set"),
    ('expand.solver_base_url="http://localhost/v1"', "expand.solver_base_url: goes with --solver"),
    ("expand.solver_price_in=1", "expand.solver_price_in: goes with --solver"),
    ("expand.solver_price_out=1", "expand.solver_price_out: goes with --solver"),
    ('expand.against=["none.jsonl"]', "expand.against: none.jsonl: "),
    ('expand.seed="a"', "expand.seed: expected a whole number, 0 to 4294967295, got 'a'"),
    ('trian.x="y"', "trian: no such stage"),
    ("generate=3", "generate: expected a table, [generate], found 3"),
    ('finetune.lora_rnk="y"', "finetune.lora_rnk: no such key; did you mean lora_rank?"),
]

OFFLINE = "from huggingface_hub import constants; constants.HF_HUB_OFFLINE = True"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    Path("recipe.toml").write_text(RECIPE)
    Path("prompts.jsonl").write_text('{"question": "a=6 b=a*3 b?", "answer": "8"}\n')
    Path("empty.jsonl").touch()
    Path("wrong_shots.jsonl").write_text('{"colour": "red"}\n')
    Path("no_reference.jsonl").write_text('{"id": "n1", "question": "2+2?"}\n')
    Path("folder").mkdir()
    Path("old", "latest").mkdir(parents=True)


def problems(*changes: str) -> str:
    with pytest.raises((UsageError, AccountError)) as caught:
        read(Path("recipe.toml"), changes)
    return str(caught.value)


def test_the_recipe_of_this_table_is_sound_itself() -> None:
    assert list(read(Path("recipe.toml")).stages) == [stage for stage in STAGES if stage != "expand"]


def test_rows_at_once_that_do_not_divide_a_batch_are_a_problem_before_anything_is_paid() -> None:
    told = problems("finetune.batch_size=6", "finetune.rows_at_once=4")
    assert "finetune.rows_at_once: expected a divisor of --batch-size 6, got 4" in told


def test_a_judges_price_that_is_no_number_is_a_problem_like_others_beside_a_cap() -> None:
    told = problems('evaluate.verify="judge:teacher=openai:m,price_in=abc"', "evaluate.max_cost=1")
    assert "evaluate.verify: judge:price_in: expected a number, at least 0, got 'abc'" in told


@pytest.mark.parametrize(("change", "words"), [*SIXTEEN, *MORE], ids=[change for change, _ in [*SIXTEEN, *MORE]])
def test_a_wrong_setting_is_named_with_its_place_and_what_was_expected(change: str, words: str) -> None:
    told = problems(*['expand.teacher="mock:digit-chains"'] * change.startswith("expand."), change)
    assert f"\n  {words}" in told, told


def test_a_recipe_that_is_nested_too_deeply_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(f"a = {'[' * 3000}{']' * 3000}")
    with pytest.raises(UsageError, match=r"recipe\.toml: its lists or tables are nested too deeply"):
        read(tmp_path / "recipe.toml")


def test_what_filter_judges_without_a_reference_evaluate_must_be_able_to_judge_too() -> None:
    judge = "judge:teacher=mock:digit-chains"
    told = problems('prompts="no_reference.jsonl"', f'filter.verify="{judge}"')
    assert "evaluate.verify: needs a reference, and prompt 'n1' has none, which filter.verify can judge" in told, told
    assert f"set evaluate.verify = '{judge}' too" in told
    read(
        Path("recipe.toml"), ['prompts="no_reference.jsonl"', f'filter.verify="{judge}"', f'evaluate.verify="{judge}"']
    )
    read(Path("recipe.toml"), [f'filter.verify="{judge}"'])


def test_the_table_has_every_option_that_can_be_wrong() -> None:
    any_text = {
        "generate.license",
        "generate.effort",
        "generate.system",
        "generate.reference_field",
        "generate.tag_field",
    }
    switches = {
        "generate.no_cache", "generate.retry_truncated", "generate.skip_bad", "generate.allow_modified",
        "filter.keep_incorrect", "filter.skip_bad", "filter.allow_modified", "format.skip_bad",
        "format.allow_modified", "finetune.skip_bad", "finetune.allow_modified", "evaluate.allow_modified",
        "evaluate.calibrate",
    }  # fmt: skip
    columns = {f"evaluate.{name}" for name in ("prompt_field", "reference_field", "id_field", "tag_field", "seed")}
    elsewhere = {f"{stage}.{name}" for stage in STAGES for name in ("dry_run", "show")}
    asked = {change.partition("=")[0] for change, _ in [*SIXTEEN, *MORE]}
    every = {f"{stage}.{name}" for stage, kind in STAGES.items() for name in kind.options.__dataclass_fields__}
    of_generate = {f"expand.{name}" for name in STAGES["generate"].options.__dataclass_fields__} | {
        "expand.include_seeds"
    }
    missing = every - asked - any_text - switches - columns - elsewhere - of_generate
    assert missing == set(), "add a wrong value of each to the table above"


def test_all_sixteen_are_told_at_once_by_a_plan_and_by_a_run_and_nothing_is_written() -> None:
    words = [word for change, _ in SIXTEEN for word in ("--set", change)]
    for command in (["--plan"], []):
        done = cotdistill("run", Path("recipe.toml").absolute(), *command, *words, before=OFFLINE)
        assert done.returncode == 2
        assert done.stderr.startswith(f"cotdistill: {Path('recipe.toml').absolute()}: 16 problems, nothing was sent:")
        assert [said for _, said in SIXTEEN if said not in done.stderr] == []
    assert not Path("runs").exists()


def test_command_line_and_recipe_refuse_a_value_in_the_same_words() -> None:
    done = cotdistill("finetune", "rows.jsonl", "-o", "out", "--student", "tiny", "--warmup", "2", "--patience", "3")
    told = problems("finetune.warmup=2.0", "finetune.patience=3")
    for why in ("warmup: expected 0 to 1, got 2.0", "patience: needs --eval-data, the rows whose loss decides"):
        assert f"--{why}" in done.stderr
        assert f"finetune.{why}" in told
    with pytest.raises(UsageError, match=r"--warmup: expected 0 to 1, got 2\.0"):
        config.check(config.FinetuneConfig(student="tiny", warmup=2.0))


def test_a_missing_key_alone_is_exit_code_6_as_in_generate_and_with_a_slip_beside_it_2() -> None:
    with pytest.raises(AccountError, match=r"1 problem, nothing was sent:\n  generate.teacher: OPENAI_API_KEY"):
        read(Path("recipe.toml"), ["generate.teacher=openai:gpt-5-mini"])
    with pytest.raises(UsageError, match="2 problems"):
        read(Path("recipe.toml"), ["generate.teacher=openai:gpt-5-mini", "finetune.epochs=0"])


@pytest.mark.parametrize(
    ("package", "change", "words"),
    [
        ("torch", "filter.workers=1", "finetune.student: tiny needs torch: pip install 'cotdistill[train]'"),
        ("peft", 'evaluate.baseline=["smollm2-135m"]', "evaluate.baseline: smollm2-135m needs peft"),
        ("ray", "filter.engine=ray", "filter.engine: needs the package ray: pip install 'cotdistill[ray]'"),
        ("stdnum", "filter.filter=pii", "filter.filter: filter pii needs phonenumberslite and python-stdnum"),
        ("bitsandbytes", "finetune.method=qlora", "the bitsandbytes package"),
        ("datasets", "prompts=hf:openai/gsm8k:main:train", "prompts: needs the package datasets"),
        ("torch", "generate.teacher=local:tiny", "generate.teacher: tiny needs torch"),
    ],
)
def test_a_package_that_a_later_stage_will_need_is_asked_for_first(
    package: str, change: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    changes = [change, "finetune.student=smollm2-135m"] if "qlora" in change else [change]
    if "qlora" in change:
        monkeypatch.setattr("cotdistill.students.resolve", lambda name: _Anything())
    assert words in problems(*changes)


class _Anything:
    kind = "directory"


def test_a_month_s_budget_without_a_store_is_refused() -> None:
    prices = ("generate.price_in=1", "generate.price_out=1")
    assert "max_cost_per_month: is counted from the store, and generate.no_cache keeps none" in problems(
        "max_cost_per_month=5", "generate.no_cache=true", *prices
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('filter.verify="judge:teacher=vllm:q,base_url=http://localhost:1/v1"', "filter.verify: the price of 'q'"),
        ("evaluate.baseline=vllm:q", "evaluate.baseline: the price of 'q'"),
        ("evaluate.student=vllm:q", "evaluate.student: the price of 'q'"),
    ],
)
def test_a_month_s_budget_needs_the_price_of_whoever_is_paid(change: str, words: str) -> None:
    prices = ("generate.price_in=1", "generate.price_out=1")
    assert f"max_cost_per_month: {words} is not known" in problems("max_cost_per_month=5", *prices, change)


@pytest.mark.parametrize("budget", ["generate.max_cost=1", "max_cost_per_month=5"])
def test_a_budget_needs_a_price_of_a_paid_teacher_and_none_of_a_simulated_one(budget: str) -> None:
    read(Path("recipe.toml"), [budget])
    paid = ('generate.teacher="vllm:q"', 'generate.base_url="http://localhost:1/v1"')
    told = problems(budget, *paid)
    assert "the price of 'q' is not known; give price_in and price_out" in told, told


@pytest.mark.parametrize("text", ["Think about v1.5 " * 40, "Short.\n", "a/b.c\x00d", "prompts.jsonl"])
def test_any_text_may_be_a_system_prompt(text: str) -> None:
    import msgspec

    changes = [f"generate.system={msgspec.json.encode(text).decode()}"]
    assert read(Path("recipe.toml"), changes).stages["generate"].system == text


@pytest.mark.parametrize(
    "words",
    [
        ["demo", "-o", "d"],
        ["evaluate", "prompts.jsonl", "-o", "s.json", "--student", "tiny"],
        ["evaluate", "prompts.jsonl", "-o", "s.json", "--student", "mock:digit-chains", "--baseline", "tiny"],
        ["generate", "prompts.jsonl", "-o", "r.jsonl", "--teacher", "local:tiny"],
        ["finetune", "rows.jsonl", "-o", "s", "--student", "tiny"],
        ["format", "kept.jsonl", "-o", "t.jsonl", "--student", "tiny"],
    ],
)
def test_a_command_without_its_packages_says_so_before_it_begins(words: list[str]) -> None:
    done = cotdistill(*words, before="import sys; sys.modules['torch'] = None")
    assert done.stderr.endswith("needs torch: pip install 'cotdistill[train]'\n") and "Traceback" not in done.stderr
    assert done.returncode == 1
    assert {path.name for path in Path().iterdir()} == FILES, "nothing was begun"


FILES = {"recipe.toml", "prompts.jsonl", "empty.jsonl", "wrong_shots.jsonl", "no_reference.jsonl", "folder", "old"}


def test_seeds_that_are_held_out_are_no_seeds_and_what_nobody_verified_is_no_exam() -> None:
    teacher = 'expand.teacher="mock"'
    told = problems(teacher)
    assert "expand.include_seeds: set it: the references of new prompts are by majority, so format would hold" in told
    told = problems(teacher, "expand.include_seeds=true", "expand.holdout=0.1")
    assert "expand.holdout: expected 0.2 or more, as format has" in told
    assert read(Path("recipe.toml"), [teacher, "expand.include_seeds=true", "expand.holdout=0.2"]).stages["expand"]
