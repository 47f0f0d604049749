"""Run docs/notebook.ipynb in this process and keep what its cells print.

    python -m tools.notebook        # writes the outputs into the notebook

A cell is Python and nothing else, so no kernel is needed. It runs in an event loop, as in Jupyter.
"""

import asyncio
import contextlib
import io
import json
import os
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parent.parent / "docs" / "notebook.ipynb"


def run(notebook: dict[str, Any]) -> None:
    """Run every code cell; its text becomes its output. An exception goes through."""
    world: dict[str, Any] = {"__name__": "__main__"}

    async def cell(source: str) -> str:
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            exec(compile(source, str(NOTEBOOK), "exec"), world)
        return shown.getvalue()

    code = (one for one in notebook["cells"] if one["cell_type"] == "code")
    for number, one in enumerate(code, 1):
        text = asyncio.run(cell("".join(one["source"])))
        one["execution_count"] = number
        one["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text.splitlines(True)}] if text else []


def main() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    here = Path.cwd()
    try:
        run(notebook)
    finally:
        os.chdir(here)
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
