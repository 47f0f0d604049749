"""A student -> a file for the place where it will run, which is read back and asked before it gets its name."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from cotdistill import artifacts, exports, plugins, students
from cotdistill.artifacts import ForeignFile, Manifest, lineage, outputs
from cotdistill.artifacts.files import written_elsewhere
from cotdistill.artifacts.outputs import Place
from cotdistill.config import ExportConfig, check
from cotdistill.errors import UsageError
from cotdistill.exports import StudentExport
from cotdistill.progress import Progress
from cotdistill.store.location import known_stores

PACKAGES = ("torch", "transformers", "gguf", "safetensors", "tokenizers", "llama-cpp-python")


def run(student: str, output: Path, config: ExportConfig, progress: Progress) -> Manifest:
    """Write `output`, which appears whole or not at all, and its siblings. Every tensor is compared with the student's,
    and the file and the student answer eight questions greedily.

    Raises UsageError for a student, a name or a type that this export does not take, CotDistillError where the file
    that is read back is not the student: then nothing is written.
    """
    check(config)
    found = students.resolve(student)
    students.need_packages(student)
    _, given = plugins.parse(config.to)
    if config.quantize and "quantize" in given:
        raise UsageError(f"--quantize {config.quantize}: --to {config.to} says the type too; leave one of them out")
    spec = f"{config.to}{',' if given else ':'}quantize={config.quantize}" if config.quantize else config.to
    quantize = config.quantize or given.get("quantize")
    target: StudentExport = exports.build(spec, "student", "--to")
    if output.suffix != target.suffix:
        raise UsageError(f"-o {output}: expected a name that ends in {target.suffix}")
    beside = target.beside(output)
    scratch = [Place(path, outputs.always, f"-o {output}") for path in target.scratch(output)]
    source = Path(found.source)
    inputs = [file for file in source.rglob("*") if file.is_file()] if source.is_dir() else [source]
    with (
        artifacts.run(
            "export",
            output,
            {"student": student, **dataclasses.asdict(config)},
            PACKAGES,
            siblings=beside,
            also=scratch,
            stores=known_stores(),
            inputs=inputs if found.source and source.exists() else [],
        ) as current,
        students.quiet(),
    ):
        from cotdistill.stages.export import agreement

        current.read_named(("student", path) for path in students.recorded_files(student))
        questions = agreement.questions(student, Path(config.prompts) if config.prompts else None)
        if config.prompts:
            current.read(Path(config.prompts), option="prompts")
        file = ForeignFile(output)
        try:
            with written_elsewhere(output):
                written = target.student(student, file.partial, output, _by_part(progress))
            progress.begin("ask", None)
            agreed = agreement.compare(
                student, file.partial, target.suffix, questions, config.max_output_tokens, config.threads
            )
            agreed.check(output, lossless=written.lossless)
            current.notes += [*written.notes, *_other_grid(source, quantize), agreed.in_words()]
            sides = [artifacts.write_whole(path, text.encode()) for path, text in written.beside.items()]
            return current.publish(
                [file], counts=written.counts, beside=sides, results={**written.results, **agreed.results()}
            )
        finally:
            file.discard()
            for place in scratch:
                place.path.unlink(missing_ok=True)


def _other_grid(student: Path, quantize: str | None) -> list[str]:
    """What to say of a student that was trained for another type than is written."""
    manifest = lineage.of_student(student)
    trained = manifest.options.get("quant_aware") if manifest else None
    if trained is None or trained == quantize:
        return []
    return [
        f"WARNING: {student} was trained with --quant-aware {trained}; --quantize {trained} writes it without a loss"
    ]


def _by_part(progress: Progress) -> Callable[[str, int, int], None]:
    """Reports parts of a work, such as writing and comparing, each with its steps that are done and all of them."""
    current = ""

    def report(part: str, done: int, total: int) -> None:
        nonlocal current
        if part != current:
            current = part
            progress.begin(part, total)
        progress.update(done)

    return report
