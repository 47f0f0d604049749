"""A program that stands in for an engine: on PATH under its name, with the words after it that it is given."""

import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

MOCK = """\
import os, sys
port = sys.argv[sys.argv.index("--port") + 1]
words = [sys.executable, "-m", "cotdistill", "mock-teacher", "--port", port]
os.execv(sys.executable, words)
"""
"""The simulated teacher behind the engine's interface."""

PLAIN = """\
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer({"status": "ok"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with open(HERE + "/requests.jsonl", "a") as file:
            file.write(json.dumps({"headers": dict(self.headers), "body": body}) + "\\n")
        self.answer(reply(body))

    def answer(self, body):
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_): ...

def reply(body):
    message = {"role": "assistant", "content": "Answer: 4"}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return {"model": body["model"], "choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}

def serve():
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()

open(HERE + "/pids", "a").write(f"{os.getpid()}\\n")
"""
"""One answer to everything; what it is asked and its process numbers are written down. `serve()` begins."""


def put_on_path(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install `script` as the program `name`; its folder, where it writes, is returned."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!{sys.executable}\nHERE = {str(folder)!r}\n{script}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return folder
