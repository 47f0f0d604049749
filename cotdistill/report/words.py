"""What a page calls things: verdicts, reasons, models, money."""

from cotdistill import mock
from cotdistill.artifacts.lineage import Found
from cotdistill.wording import usd

STATUS = {
    "correct": "right",
    "incorrect": "wrong",
    "no_answer": "no final answer",
    "bad_reference": "no reference, or none that can be read",
    "timeout": "checking it took too long",
    "error": "could not be judged",
    "unverified": "not verified",
}

_VERIFY = {
    "incorrect": "wrong answer",
    "no_answer": "no final answer was found",
    "timeout": "checking the answer took too long",
    "error": "the answer could not be judged",
    "bad_reference": "no reference, or none that can be read",
}


def reason(filter: str, words: str) -> str:
    """Why a response was dropped. `words` may go on after " | " with what varies from one record to the next."""
    words = words.partition(" | ")[0]
    if filter == "verify":
        return _VERIFY.get(words, words)
    if filter == "select":
        chosen = words.removeprefix("not chosen by ")
        return f"passed, but others of its prompt were selected ({chosen})"
    return words if filter == "stop_reason" else f"{words} ({filter})"


def dropped_reason(name: str) -> str:
    """A reason as the manifest counts them: "verify: incorrect"."""
    filter, _, words = name.partition(": ")
    return reason(filter, words)


def share(value: float) -> str:
    return f"{value:.1%}"


def spread(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.1%} to {interval[1]:.1%}"


def cost(found: Found) -> str:
    """What all answers of a run of generate are worth."""
    spec = str(found.manifest.options.get("teacher"))
    if mock.is_simulated(spec):
        return "free: the teacher is simulated"
    if spec.startswith("local:"):
        return "free: the teacher runs on this machine"
    known = found.manifest.cost_usd
    return "unknown: this teacher has no published price" if known is None else usd(known)
