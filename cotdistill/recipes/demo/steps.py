"""One command of the demo as data: it is run from it, and its command line is printed from it."""

import dataclasses
import importlib
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotdistill.artifacts import Manifest
from cotdistill.progress import Progress


@dataclass(frozen=True)
class Step:
    """One command: a stage, its input and output, its options."""

    stage: str
    source: Path
    output: Path
    config: Any

    def command(self) -> str:
        """The command line that does the same by hand."""
        words = ["cotdistill", self.stage, str(self.source), "-o", str(self.output)]
        for field in dataclasses.fields(self.config):
            value = getattr(self.config, field.name)
            if value == field.default:
                continue
            for one in value if isinstance(value, tuple) else (value,):
                words.append("--" + field.name.replace("_", "-"))
                words += [] if one is True else [str(one)]
        return shlex.join(words)

    def run(self, progress: Progress) -> Manifest:
        stage = importlib.import_module(f"cotdistill.stages.{self.stage}")
        more = {"card": False} if self.stage == "format" else {}  # the demo's directory has a README of its own
        manifest: Manifest = stage.run(self.source, self.output, self.config, progress, **more)
        return manifest
