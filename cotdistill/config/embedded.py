"""The teachers that no server answers for: the embedded one, with its short name, and models of this machine."""

EMBEDDED, SCRIPTED = "mock", "digit-chains"
"""The embedded teacher, and the model that it is without another one named."""


def whole_name(teacher: str) -> str:
    """PROVIDER:MODEL of a teacher, also where it has the short name."""
    return f"{EMBEDDED}:{SCRIPTED}" if teacher == EMBEDDED else teacher


def has_no_address(teacher: str) -> bool:
    """Whether an address says nothing of a teacher: it answers inside the run, or from a server that the run starts."""
    return teacher.partition(":")[0] in (EMBEDDED, "local")
