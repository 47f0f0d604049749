"""Shared makers of records, and a clean environment: no key, no store of the person who runs the tests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cotdistill.records import Judged, Message, Prompt, Response, TeacherInfo, Usage, Verdict
from tests.command_server import CommandServer

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("COTDISTILL_SHARED", ROOT.parent / "shared"))


PROVIDERS = ("OPENAI_", "ANTHROPIC_", "AZURE_", "AWS_", "GOOGLE_", "CLOUD_ML_", "CLOUDSDK_")


@pytest.fixture(autouse=True)
def _clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in os.environ:
        if name.endswith("_API_KEY") or name.startswith(PROVIDERS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COTDISTILL_CACHE", str(tmp_path / "store.sqlite"))
    yield


def make_prompt(id: str = "p1", question: str = "What is 2+2?", reference: str | None = "4", **more: Any) -> Prompt:
    return Prompt(id=id, messages=(Message(role="user", content=question),), reference=reference, **more)


def make_response(text: str = "Answer: 4", prompt: Prompt | None = None, **more: Any) -> Response:
    fields: dict[str, Any] = {
        "prompt": prompt or make_prompt(),
        "sample": 0,
        "reasoning_kind": "raw" if more.get("reasoning") else "none",
        "text": text,
        "stop_reason": "stop",
        "teacher": TeacherInfo(provider="mock", model="m", base_url="mock"),
        "usage": Usage(input_tokens=10, output_tokens=5),
        "request_key": "s1:0",
    }
    return Response(**{**fields, **more})


def make_judged(text: str = "Answer: 4", status: Any = "correct", **more: Any) -> Judged:
    return Judged(response=make_response(text, **more), verdict=Verdict(status=status, method="test", answer="4"))


@cache
def command_server() -> CommandServer:
    """One for all tests of this process, started by the first command."""
    return CommandServer()


def cotdistill(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    whole = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    if command_server().serves(whole):
        return command_server().run([str(word) for word in words], whole, 120)
    return subprocess.run(
        [sys.executable, "-m", "cotdistill", *map(str, words)],
        capture_output=True,
        text=True,
        env=whole,
        timeout=120,
    )
