"""Teachers that no server of the user answers for: the embedded one, with its short name, and local models."""

EMBEDDED, SCRIPTED = "mock", "digit-chains"
"""The embedded teacher, and its default model."""


def whole_name(teacher: str) -> str:
    """PROVIDER:MODEL of a teacher, also for the short name."""
    return f"{EMBEDDED}:{SCRIPTED}" if teacher == EMBEDDED else teacher


def has_no_address(teacher: str) -> bool:
    """Whether a base URL has no meaning for this teacher: it answers inside the run, or from a server that the run
    starts."""
    return teacher.partition(":")[0] in (EMBEDDED, "local")
