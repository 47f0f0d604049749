"""The short name of the embedded teacher."""

EMBEDDED, SCRIPTED = "mock", "digit-chains"
"""The embedded teacher, and the model that it is without another one named."""


def whole_name(teacher: str) -> str:
    """PROVIDER:MODEL of a teacher, also where it has the short name."""
    return f"{EMBEDDED}:{SCRIPTED}" if teacher == EMBEDDED else teacher
