"""Joins what several steps made into one file: the responses of two teachers, the kept answers of two rounds.

A record that two of them hold stands in it once. Another answer under the same prompt and sample gets the next free
sample, so that no two rows have the same name. Takes some 100 bytes of memory a record.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cotdistill import artifacts
from cotdistill.artifacts import ArtifactWriter
from cotdistill.artifacts.json_lines import read_records
from cotdistill.artifacts.logprobs import Carrier, joining, logprobs_path
from cotdistill.records import Judged, Response

_KINDS: dict[str, Callable[[Path], Iterator[Any]]] = {
    "generate": lambda path: read_records(path, Response),
    "filter": lambda path: read_records(path, Judged),
    "format": lambda path: read_records(path, dict[str, Any]),
}


def join(parts: Sequence[Path], output: Path) -> Path:
    """Write the records of `parts`, all of one stage, to `output`, in their order. Its manifest is one of that stage,
    so that the next stage accepts it, and names the parts as its inputs."""
    manifests = [artifacts.manifest_of(path) for path in parts]
    stage = next(one.stage for one in manifests if one)
    options = {"joined": [str(path) for path in parts]}
    with (
        artifacts.run(stage, output, options, siblings=[logprobs_path(output)], inputs=parts) as current,
        ArtifactWriter(output) as writer,
    ):
        for path in parts:
            current.read(path, written_by=stage)
        names = _Names()
        with joining(current, parts, output) as carriers:
            read = (
                (carrier, one) for path, carrier in zip(parts, carriers, strict=True) for one in _KINDS[stage](path)
            )
            for carrier, record in read:
                if (named := names.renamed(record)) is not None:
                    writer.write(named)
                    _carry(carrier, record, named)
            counts = {_COUNTED[stage]: writer.records, **names.counts(stage)}
            logprobs = next((found for carrier in carriers if (found := carrier.writers())), [])
            current.publish([writer, *logprobs], counts=counts, complete=all(one.complete for one in manifests if one))
    return output


_COUNTED = {"generate": "responses", "filter": "kept", "format": "rows"}


def _carry(carrier: Carrier, record: Any, named: Any) -> None:
    """Carry the log-probabilities of a record, whose sample may have changed."""
    if isinstance(record, dict):
        carrier.take_row(record["id"])
        return
    before, after = ((one.response if isinstance(one, Judged) else one) for one in (record, named))
    carrier.take(before, sample=after.sample)


class _Names:
    """The prompt and sample of each record so far, by hash, with a hash of its answer."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}
        self._prompts: set[int] = set()
        self.twice = 0

    def counts(self, stage: str) -> dict[str, int]:
        """Prompts as the stage itself counts them, and records that stood in two parts."""
        name = {"generate": "prompts", "filter": "prompts_kept"}.get(stage)
        return {**({name: len(self._prompts)} if name else {}), "twice": self.twice}

    def renamed(self, record: Any) -> Any:
        """The record under a sample of its own; None where it is there already."""
        if isinstance(record, dict):
            return self._new((record["id"],), msgspec.json.encode(record)) and record
        response = record.response if isinstance(record, Judged) else record
        self._prompts.add(hash(response.prompt.id))
        content, sample = (response.request_key, response.sample, response.text), response.sample
        while not self._new((response.prompt.id, sample), content):
            if self._known[hash((response.prompt.id, sample))] == hash(content):
                return None
            sample += 1
        if sample == response.sample:
            return record
        response = msgspec.structs.replace(response, sample=sample)
        return msgspec.structs.replace(record, response=response) if isinstance(record, Judged) else response

    def _new(self, name: tuple[Any, ...], content: Any) -> bool:
        place = hash(name)
        if place not in self._known:
            self._known[place] = hash(content)
            return True
        self.twice += self._known[place] == hash(content)
        return False
