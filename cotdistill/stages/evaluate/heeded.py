"""Which options an evaluation's students heed: one that none of them does is refused, before anything is asked."""

from collections.abc import Iterator

from cotdistill import teachers
from cotdistill.config import EvaluateConfig, flag
from cotdistill.config.embedded import has_no_address
from cotdistill.errors import UsageError
from cotdistill.stages.evaluate.answers import is_recorded

_NO_STUDENT = "goes with a student or baseline of this machine; none is given"


def unheeded(config: EvaluateConfig) -> Iterator[tuple[str, str]]:
    """Pairs of an option and why it would change nothing."""
    asked = [config.student, *config.baseline, *([config.guard_against] if config.guard_against else [])]
    over_api = [name for name in asked if teachers.is_teacher(name)]
    here = [name for name in asked if name not in over_api and not is_recorded(name)]
    served = here if config.engine != EvaluateConfig.engine else []
    for option, heeding, why in (
        (
            "base_url",
            [name for name in over_api if not has_no_address(name)],
            "goes with a student or baseline PROVIDER:MODEL on a server; none is given",
        ),
        ("calibrate", over_api, "goes with a student over an API; one of this machine says how sure it is anyway"),
        ("concurrency", [*over_api, *served], "goes with a student over an API, or with an --engine that serves one"),
        ("engine", here, _NO_STUDENT),
        ("batch_size", here, _NO_STUDENT),
        ("threads", here, _NO_STUDENT),
        ("seed", here, f"{_NO_STUDENT}, and a server draws its samples by itself"),
        ("price_in", over_api if config.student in over_api else [], f"{config.student} costs nothing"),
    ):
        if not heeding and getattr(config, option) != getattr(EvaluateConfig, option):
            yield option, why


def check_heeded(config: EvaluateConfig) -> None:
    """Raises UsageError for the first option that would change nothing."""
    for option, why in unheeded(config):
        raise UsageError(f"{flag(option)}: {why}")
