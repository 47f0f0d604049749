"""Types that Python cannot write, by llama.cpp's own quantizer: the program llama-quantize, or the package
llama-cpp-python, each in a process of its own (a build for another processor dies of an illegal instruction)."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from cotdistill.errors import CotDistillError, UsageError

_PROGRAM = "llama-quantize"
_PACKAGE = "llama_cpp"

OWN = ("f32", "f16", "bf16", "q8_0", "q4_0")
"""What is written here."""

TYPES = (
    "q4_1", "q5_0", "q5_1", "q2_k", "q3_k_s", "q3_k_m", "q3_k_l", "q4_k_s", "q4_k_m", "q5_k_s", "q5_k_m", "q6_k",
)  # fmt: skip
"""What may be asked of it: the types that need no table of importances."""

_CALL = """
import sys, llama_cpp
source, target, kind = sys.argv[1:]
settings = llama_cpp.llama_model_quantize_default_params()
settings.ftype = getattr(llama_cpp, "LLAMA_FTYPE_MOSTLY_" + kind.replace("_k", "_K").upper())
sys.exit(llama_cpp.llama_model_quantize(source.encode(), target.encode(), settings))
"""


def check(kind: str) -> None:
    """Raises UsageError for a type that there is not, or that nothing installed here can write."""
    if kind in OWN:
        return
    if kind not in TYPES:
        raise UsageError(f"quantize: expected one of {', '.join((*OWN, *TYPES))}; got {kind!r}")
    if _command() is None:
        raise UsageError(
            f"quantize {kind}: only llama.cpp's own quantizer writes it. Install llama.cpp, so that {_PROGRAM} is on "
            f"PATH, or pip install llama-cpp-python; or take one of {', '.join(OWN)}"
        )


def run(source: Path, target: Path, kind: str) -> None:
    """Raises CotDistillError with the quantizer's last words where it fails."""
    command = _command()
    assert command is not None  # checked before anything was written
    done = subprocess.run(
        [*command, str(source), str(target), kind], capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode == 0:
        return
    said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1][:200]
    why = "it was built for another processor" if done.returncode in (-4, 132) else said
    raise CotDistillError(f"{command[0]} failed (exit {done.returncode}): {why}")


def _command() -> list[str] | None:
    if program := shutil.which(_PROGRAM):
        return [program]
    return [sys.executable, "-c", _CALL] if importlib.util.find_spec(_PACKAGE) else None
