"""A loopback stand-in for the model hub: enough of its API for the official client to create, look and commit."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_test_token"


@dataclass
class Hub:
    """`files` by repository (with its kind's prefix) and path; `private` by repository."""

    url: str
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    """Large files by their sha256, uploaded before the commit that names them."""


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub = Hub(f"http://127.0.0.1:{self.server_port}")


@contextmanager
def hub() -> Iterator[Hub]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.hub
        server.shutdown()


class Handler(BaseHTTPRequestHandler):
    @property
    def hub(self) -> Hub:
        assert isinstance(self.server, Server)
        return self.server.hub

    def do_GET(self) -> None:
        _, _, kind, owner, name, *_ = self.path.split("?")[0].split("/")
        repository = f"{kind}/{owner}/{name}"
        if repository not in self.hub.private:
            return self.answer(404, {"error": "Repository not found"})
        found = {"id": f"{owner}/{name}", "private": self.hub.private[repository], "sha": "0" * 40, "siblings": []}
        self.answer(200, found)

    def do_PUT(self) -> None:
        content = self.body()
        self.hub.stored[sha256(content).hexdigest()] = content
        self.answer(200, {})

    def do_POST(self) -> None:
        content = self.body()
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self.answer(401, {"error": "Invalid credentials"})
        if self.path.endswith("/api/validate-yaml"):
            return self.answer(200, {"errors": [], "warnings": []})
        if self.path.endswith("/commit/main"):
            return self.commit(content.splitlines())
        given = json.loads(content)
        if self.path.endswith("/api/repos/create"):
            return self.create(given)
        if "/preupload/" in self.path:
            return self.answer(200, {"files": [upload_mode(one["path"]) for one in given["files"]]})
        upload = {"upload": {"href": f"{self.hub.url}/upload"}}
        self.answer(200, {"transfer": "basic", "objects": [{**one, "actions": upload} for one in given["objects"]]})

    def create(self, given: dict[str, Any]) -> None:
        repository = f"{given.get('type', 'model')}s/{given.get('organization', 'me')}/{given['name']}"
        if repository in self.hub.private:
            page = f"{self.hub.url}/{repository.removeprefix('models/')}"
            return self.answer(409, {"error": "You already created this repo", "url": page})
        self.hub.private[repository] = given["visibility"] == "private"
        self.hub.files[repository] = {}
        self.answer(200, {"url": f"{self.hub.url}/{repository.removeprefix('models/')}"})

    def commit(self, lines: list[bytes]) -> None:
        kind, owner, name = self.path.split("?")[0].split("/")[2:5]
        files = self.hub.files[f"{kind}/{owner}/{name}"]
        for entry in map(json.loads, lines):
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.stored[value["oid"]]
        self.answer(200, {"commitUrl": f"{self.hub.url}/{owner}/{name}/commit/1", "commitOid": "1" * 40})

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def answer(self, status: int, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status == 404:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def upload_mode(path: str) -> dict[str, Any]:
    mode = "lfs" if path.endswith(".safetensors") else "regular"
    return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": None}
