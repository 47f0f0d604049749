"""The embedded teacher: a simulated provider over HTTP, for the demo, for tests and for rehearsals."""


def is_simulated(teacher: str) -> bool:
    """Of a name as --teacher has it; wherever a person sees one of these, it says so."""
    return teacher == "mock" or teacher.startswith("mock:")
