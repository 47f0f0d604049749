"""The page of one run: what the student can do, its answers, what it was made of, and how."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cotdistill import mock
from cotdistill.artifacts.lineage import Found
from cotdistill.artifacts.scores import Score, scores_of
from cotdistill.artifacts.summary_tables import distinguishing
from cotdistill.recipes import figures, record
from cotdistill.report import answers, charts, class_page, expand_page, filter_page, html, result, scored, traces
from cotdistill.report.charts import Bar, Line
from cotdistill.report.comparison import Comparison
from cotdistill.report.html import Section
from cotdistill.report.run import UNTRAINED, Run
from cotdistill.report.scored import Scored
from cotdistill.report.words import cost, share
from cotdistill.wording import usd


def write(directory: Path) -> str:
    run = Run.of(directory)
    known = record.read(directory)
    filters = run.filters()
    each = traces.TRACE_BYTES // max(1, len(filters))
    by_filter = [(one, traces.traces(one.path, each)) for one in filters]
    beside = answers.side_by_side(_columns(run.compared)) if run.compared else None
    data = {
        "answers": beside,
        "traces": [{"name": one.path.name, "total": shown.prompts, "prompts": shown.shown} for one, shown in by_filter],
    }
    return html.page(
        title(directory, known), _lead(directory, run, known), _head(run), _sections(run, known, data), data
    )


def _head(run: Run) -> str:
    """The result; of scores whose answers are gone the shares alone."""
    if run.compared:
        return result.block(_headline(run.compared), run.compared, run.warnings) + class_page.guessing(run)
    alerts = "".join(f'<p class="alert">{html.escape(words)}</p>' for words in run.warnings)
    bars = [
        Bar(name, score.accuracy, share(score.accuracy), score.interval)
        for one in run.stage("evaluate")[-1:]
        for name, score in _scores(one)
    ]
    return f'<div class="result">{alerts}{charts.shares(bars)}</div>' if bars or alerts else ""


def _scores(evaluated: Found) -> list[tuple[str, Score]]:
    """What evaluate says of each student, by its short name."""
    scores = scores_of(evaluated.manifest)
    return list(zip(scored.short_names([one.student for one in scores]), scores, strict=True))


def title(directory: Path, known: record.RunRecord | None) -> str:
    """The recipe's name, and its directory's where it is called recipe.toml; else that of the directory itself."""
    here = directory.resolve()
    if known is None:
        return here.name
    recipe = here.parent.parent / known.recipe
    return recipe.resolve().parent.name if recipe.stem == "recipe" else recipe.stem


def _lead(directory: Path, run: Run, known: record.RunRecord | None) -> str:
    newest = max((one.manifest for of in run.found.values() for one in of), key=lambda manifest: manifest.ended_at)
    made = [one.manifest for one in run.stage("generate")]
    teachers = sorted({name for one in made for name in one.results.get("teachers", [str(one.options.get("teacher"))])})
    bases = sorted({str(one.manifest.options.get("student")) for one in run.stage("finetune")})
    simulated = " (simulated)" if any(map(mock.is_simulated, teachers)) else ""
    parts = [f"Run {directory.resolve().name}" if known else "", f"ended {newest.ended_at[:16].replace('T', ' ')} UTC"]
    parts += [f"teacher {', '.join(teachers)}{simulated}"] * bool(teachers) + [f"student {', '.join(bases)}"] * bool(
        bases
    )
    words = ", ".join(filter(None, [*parts, f"cotdistill {newest.version}"]))
    return f"{words[0].upper()}{words[1:]}."


def _columns(compared: Comparison) -> list[tuple[str, Scored]]:
    """The best student first."""
    rows = [compared.best, *(row for row in compared.rows if row is not compared.best)]
    return [(row.name, row.students[0]) for row in rows]


def _headline(compared: Comparison) -> str:
    untrained = next((row.name for row in compared.rows if row.name.startswith(UNTRAINED)), None)
    return result.headline(compared, untrained)


def _reliability(run: Run) -> dict[str, list[tuple[float, float]]]:
    """Of each student whose answers have log-probabilities, the points of its reliability curve."""
    students = [(row.name, row.students[0].score.confidence) for row in run.compared.rows] if run.compared else []
    return {name: [(one.confidence, one.accuracy) for one in known.sequence.bins] for name, known in students if known}


def _sections(run: Run, known: record.RunRecord | None, data: dict[str, Any]) -> Iterator[Section]:
    if data["answers"]:
        yield Section(
            "Answers side by side",
            '<div data-view="answers"></div>',
            "The same held-out prompts, and what each student answered, with its reasoning.",
        )
    yield Section("Class by class", _classes(run))
    yield from expand_page.sections(run.stage("expand"))
    yield Section(
        "From prompts to a student", _made_of(run) + filter_page.rejected(run.filters() or run.stage("filter"))
    )
    yield from filter_page.sections(run.filters() or run.stage("filter"))
    best = run.best.made_by("finetune") if run.best else None
    trained = sorted(run.stage("finetune"), key=lambda one: best is None or one.path.resolve() != best.path.resolve())
    curves = [Line(one.path.name, traces.curve(one.path)) for one in trained]
    drawn = charts.curves([line for line in curves if line.points], x="training step", y="training loss")
    yield Section("Training loss", drawn)
    yield Section("How sure, and how right", charts.reliability_chart(_reliability(run)))
    yield Section("Money", _money(run))
    yield Section("Scores in detail", _details(run))
    if data["traces"]:
        yield Section(
            "What the teacher wrote",
            '<div data-view="traces"></div>',
            "Prompts with all their samples; every reason for a rejection is among them. Marked: what was kept.",
        )
    yield Section("This run", _stages(known) + _changes(known))


def _classes(run: Run) -> str:
    """Of the newest scores, the students that name any class right; an untrained one names none."""
    scores = [pair for one in run.stage("evaluate")[-1:] for pair in _scores(one)]
    return class_page.table([(name, score) for name, score in scores if score.correct])


def _made_of(run: Run) -> str:
    """The best student's own way, from prompts to trained tokens; then what the others were trained on."""
    one = run.best
    asked, kept, rows, trained = (
        (one.made_by(stage) if one else None) or next(iter(run.stage(stage)), None)
        for stage in ("generate", "filter", "format", "finetune")
    )
    several = one is not None and sum(made.manifest.stage == "generate" for made in one.origin) > 1
    tiles = []
    bars = []
    if asked and not several:
        tiles.append(("prompts", f"{asked.manifest.counts.get('prompts', 0):,}"))
        bars.append(filter_page.bar("answers of the teacher", asked.manifest.counts.get("responses", 0)))
        bars.append(filter_page.bar("that finished", asked.manifest.counts.get("stop", 0)))
    if kept:
        bars.append(filter_page.bar("that are right", kept.manifest.results.get("right", 0)))
        bars.append(filter_page.bar("kept", kept.manifest.counts.get("kept", 0), mark=True))
        tiles.append(("prompts with one kept", f"{kept.manifest.counts.get('prompts_kept', 0):,}"))
    for found, name, label in (
        (rows, "rows", "training rows"),
        (rows, "holdout_prompts", "prompts held out"),
        (trained, "trained_tokens", "tokens trained on"),
    ):
        if found and (count := found.manifest.counts.get(name)):
            tiles.append((label, f"{count:,}"))
    drawn = filter_page.each(run.stage("filter")) if several else charts.counts([bar for bar in bars if bar.value])
    return html.tiles(tiles) + drawn + _students(run)


def _students(run: Run) -> str:
    """Where several were trained, what each saw."""
    trained = [row for row in run.compared.rows if row.students[0].origin] if run.compared else []
    if len(trained) < 2:
        return ""
    rows = []
    for row in trained:
        kept, made = row.students[0].made_by("filter"), row.students[0].made_by("format")
        layout = str(made.manifest.options.get("format", "")) if made else ""
        counts = [row.count("format", "rows"), row.count("finetune", "trained_tokens")]
        shown = ["" if count is None else f"{count:,}" for count in counts]
        rows.append((row.name, kept.path.name if kept else "", layout, *shown, share(row.accuracy)))
    names = ["student", "learnt from", "format", "rows", "tokens", "right"]
    return html.under("What each student learnt from", html.table(names, rows, numbers=range(3, 6)))


def _money(run: Run) -> str:
    rows = list(expand_page.money(run.stage("expand")))
    for one in run.stage("generate"):
        manifest, of = one.manifest, f", {one.path.name}" if len(run.stage("generate")) > 1 else ""
        rows.append((f"all answers are worth{of}", cost(one)))
        if spent := manifest.results.get("spent_usd"):
            rows.append((f"spent in this run{of}", usd(spent)))
        rows.append((f"answers asked for in this run{of}", f"{manifest.counts.get('bought', 0):,}"))
        rows.append((f"answers from the store{of}", f"{manifest.counts.get('from_store', 0):,}"))
        rows += [(f"{name}{of}", _yield(asked)) for name, asked in manifest.results.get("teachers", {}).items()]
    for one in run.stage("filter"):
        each = one.manifest.results.get("cost_usd_per_kept")
        if each and float(each):
            rows.append((f"for each kept trace, {one.path.name}", usd(each)))
    return html.table([], rows)


def _yield(asked: Mapping[str, Any]) -> str:
    """Of one teacher of two: how often it was asked and right, and what that cost."""
    said = [f"asked {asked['prompts']:,} prompts", f"right on {asked['prompts_right']:,}"]
    if "cost_usd" in asked:
        said.append(usd(asked["cost_usd"]))
    return ", ".join(said)


def _details(run: Run) -> str:
    """What evaluate knows beyond the accuracy: sampled answers, tags, the guard."""
    found = []
    for one in run.stage("evaluate"):
        rows = []
        for name, score in _scores(one):
            passes = ", ".join(f"pass@{k} {share(value)}" for k, value in score.pass_at.items())
            majority = share(score.majority.accuracy) if score.majority else ""
            tags = [tag for tag in score.weakest if tag in distinguishing(score.by_tag)]
            weakest = ", ".join(f"{tag} {share(score.by_tag[tag].accuracy)}" for tag in tags)
            tokens = "" if score.mean_output_tokens is None else f"{score.mean_output_tokens:,.0f}"
            rows.append((name, score.n, share(score.stopped), tokens, passes, majority, weakest))
        columns = ["", "prompts", "finished", "tokens an answer", "sampled", "majority", "weakest tags"]
        wanted = [place for place in range(len(columns)) if place == 0 or any(row[place] for row in rows)]
        name = f"<h3>{html.escape(one.path.name)}</h3>" if len(run.stage("evaluate")) > 1 else ""
        found.append(name + html.table([columns[n] for n in wanted], [[row[n] for n in wanted] for row in rows]))
        if says := one.manifest.results.get("guard", {}).get("says"):
            found.append(html.paragraph(str(says)))
    return "".join(found)


def _stages(known: record.RunRecord | None) -> str:
    if known is None:
        return ""
    rows = [(name, stage.did, stage.why, f"{stage.seconds:,.0f} s") for name, stage in known.stages.items()]
    return html.under("Why each stage ran", html.table(["stage", "did", "why", "took"], rows, numbers=[3]))


def _changes(known: record.RunRecord | None) -> str:
    rows = []
    for name, change in known.changes.items() if known else ():
        now, before = (change["now"], change.get("before")) if isinstance(change, dict) else (change, None)
        rows.append((figures.label(name), _figure(name, now), _figure(name, before)))
    if not any(before for *_, before in rows):
        return html.under("Its figures", html.table(["", "in this run"], [row[:2] for row in rows], numbers=[1]))
    return html.under("Against the last run", html.table(["", "now", "last run"], rows, numbers=[1, 2]))


def _figure(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name.endswith("accuracy"):
        return share(value)
    return f"{value:,}" if isinstance(value, int) else usd(value) if name == "cost_usd" else str(value)
