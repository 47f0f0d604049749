"""PDF, by pypdf (extra `documents`), in a process of its own: a file may be made to eat all memory, or to loop."""

import json
import resource
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from cotdistill.artifacts.opening import open_input
from cotdistill.errors import CotDistillError
from cotdistill.inputs.documents.running_heads import without_running_heads
from cotdistill.inputs.documents.sections import Section
from cotdistill.masking import environment_without_keys

CPU_S, MEMORY_BYTES, MOST_LETTERS = 120, 4_000_000_000, 50_000_000


def sections(path: Path, most_bytes: int) -> list[Section]:
    """One section a page. Raises CotDistillError for a file that cannot be read as PDF, or is encrypted."""
    if find_spec("pypdf") is None:
        raise CotDistillError(f"{path}: PDF needs the extra documents: pip install 'cotdistill[documents]'")
    with open_input(path) as file:
        if file.seek(0, 2) > most_bytes:
            raise CotDistillError(f"{path}: holds more than {most_bytes / 1e6:.0f} MB; cut it into smaller documents")
    command = [sys.executable, "-m", "cotdistill.inputs.documents.pdf", str(path.absolute())]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=10 * CPU_S,
            stdin=subprocess.DEVNULL,
            env=environment_without_keys(),  # a file that was made to take the reader over finds none
        )
    except subprocess.TimeoutExpired:
        done = None
    if done is None or done.returncode < 0:
        raise CotDistillError(f"{path}: reading it takes more than {CPU_S} s or {MEMORY_BYTES / 1e9:.0f} GB")
    try:
        found = json.loads(done.stdout)
    except ValueError:
        raise CotDistillError(f"{path}: not a PDF file that can be read: {_last_line(done.stderr)}") from None
    if "problem" in found:
        raise CotDistillError(f"{path}: {found['problem']}")
    pages = without_running_heads(found["pages"])
    return [Section(f"page {number}", text) for number, text in enumerate(pages, 1)]


def _last_line(words: bytes) -> str:
    lines = words.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else "its reader ended without a word"


def _read(path: str) -> dict[str, object]:
    from pypdf import PdfReader

    reader = PdfReader(path)
    if reader.is_encrypted and not reader.decrypt(""):
        return {"problem": "is encrypted; save it without a password first"}
    pages, letters = [], 0
    for page in reader.pages:
        pages.append(page.extract_text())
        letters += len(pages[-1])
        if letters > MOST_LETTERS:
            return {"problem": f"holds more than {MOST_LETTERS / 1e6:.0f} million letters"}
    return {"pages": pages}


def _main() -> None:
    """In the process of its own: the pages of one file as JSON."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        found = _read(sys.argv[1])
    except RecursionError:
        found = {"problem": "not a PDF file that can be read: too deeply nested"}
    except MemoryError:
        found = {"problem": f"reading it takes more than {MEMORY_BYTES / 1e9:.0f} GB"}
    except Exception as error:  # whatever a damaged file makes of the reader
        found = {
            "problem": f"not a PDF file that can be read: {' '.join(str(error).split())[:200] or type(error).__name__}"
        }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    _main()
