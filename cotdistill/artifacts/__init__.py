"""JSONL files that appear whole or not at all, each with a manifest that says where it came from.

`X.jsonl` is written as `X.jsonl.partial`, synced and renamed; `X.manifest.json` is written last. Same input and
options give the same bytes: times stand in the manifest only. Reading and writing stream. No output is an input or a
file that the command did not write itself (`outputs`).
"""

from cotdistill.artifacts.files import ArtifactWriter as ArtifactWriter
from cotdistill.artifacts.files import FileInfo as FileInfo
from cotdistill.artifacts.files import ForeignFile as ForeignFile
from cotdistill.artifacts.files import partial as partial
from cotdistill.artifacts.files import write_whole as write_whole
from cotdistill.artifacts.lock import SHARED_S as SHARED_S
from cotdistill.artifacts.lock import lock as lock
from cotdistill.artifacts.lock import now as now
from cotdistill.artifacts.manifest import Manifest as Manifest
from cotdistill.artifacts.manifest import input_info as input_info
from cotdistill.artifacts.manifest import manifest_of as manifest_of
from cotdistill.artifacts.manifest import manifest_path as manifest_path
from cotdistill.artifacts.manifest import read_manifest as read_manifest
from cotdistill.artifacts.manifest import sibling as sibling
from cotdistill.artifacts.opening import sha256 as sha256
from cotdistill.artifacts.outputs import check_output as check_output
from cotdistill.artifacts.run import Run as Run
from cotdistill.artifacts.run import run as run
