"""The wheel a user installs holds all it needs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
def test_the_wheel_works_away_from_the_checkout(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    (tmp_path / "p.txt").write_text("a=1 b=a+1 b?\n")
    command = [sys.executable, "-m", "cotdistill", "generate", "p.txt", "-o", "r.jsonl"]
    command += ["--teacher", "mock:digit-chains", "--template", "worked"]
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); sys.argv = {command[2:]!r}\n"
    code += "import cotdistill; assert 'site' in cotdistill.__file__; from cotdistill.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r.jsonl").read_text().count("\n") == 1
