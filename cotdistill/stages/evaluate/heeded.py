"""Which options of evaluate have an effect on the students that are asked."""

from collections.abc import Iterator

from cotdistill import teachers
from cotdistill.config import EvaluateConfig
from cotdistill.config.embedded import has_no_address
from cotdistill.stages.evaluate.answers import costs, is_recorded
from cotdistill.stages.verification import Judge

_FREE = "neither a judge nor a student over an API is asked, so nothing is paid for"
_RECORDED = "recorded answers are scored as they are, and no other student is given"
_NO_STUDENT = "it is about students of this machine, and none is given"


def pays(config: EvaluateConfig, judge: Judge) -> bool:
    """Whether a judge or a student is asked whose answers belong into the store."""
    return judge.asks or any(map(costs, _asked(config)))


def unheeded(config: EvaluateConfig, judge: Judge) -> Iterator[tuple[str, str]]:
    """Pairs of an option and the reason why it changes nothing: neither a student nor the judge uses it."""
    asked, paid = _asked(config), [config.student] * pays(config, judge)
    answering = [name for name in asked if not is_recorded(name)]
    over_api = [name for name in asked if teachers.is_teacher(name)]
    here = [name for name in asked if name not in over_api and not is_recorded(name)]
    served = here if config.engine != EvaluateConfig.engine else []
    for option, heeding, why in (
        (
            "base_url",
            [name for name in over_api if not has_no_address(name)],
            "it is about students PROVIDER:MODEL on a server, and none is given",
        ),
        ("calibrate", over_api, "a student of this machine says how sure it is anyway"),
        (
            "concurrency",
            [*over_api, *served],
            "it is about a student over an API, or an --engine that serves one, and none is given",
        ),
        ("engine", here, _NO_STUDENT),
        ("batch_size", here, _NO_STUDENT),
        ("threads", here, _NO_STUDENT),
        ("precision", here, _NO_STUDENT),
        ("seed", here, f"{_NO_STUDENT}; a server draws its samples by itself"),
        ("samples", answering, _RECORDED),
        ("max_output_tokens", answering, _RECORDED),
        ("cache", paid, _FREE),
        ("max_cost", paid, _FREE),
        ("price_in", over_api if config.student in over_api else [], f"{config.student} costs nothing"),
    ):
        if not heeding and getattr(config, option) != getattr(EvaluateConfig, option):
            yield option, why


def _asked(config: EvaluateConfig) -> list[str]:
    """All students that the user named. The model that a student was trained from is not among them: it costs nothing
    and uses no further option."""
    return [config.student, *config.baseline, *([config.guard_against] if config.guard_against else [])]
