"""Judges that are paid: what they will be asked about is not there yet, so no estimate of a plan holds their cost."""

from cotdistill import plugins
from cotdistill.pricing import FREE
from cotdistill.recipes.steps import Step
from cotdistill.stages.verification import Judge


def in_words(step: Step) -> list[str]:
    """Who will be paid for verdicts in a step; of generate its estimate says that already."""
    spec = getattr(step.options, "verify", None)
    if step.stage == "generate" or not spec or not Judge(spec).asks:
        return []
    teacher = plugins.parse(spec)[1].get("teacher", spec)
    if teacher.partition(":")[0] in FREE:
        return []
    return [f"{teacher} judges each new answer, which is paid for and in no estimate here"]
