"""The kept samples of one prompt -> its training rows: layout, weight, share in the mix, proof for the student."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from cotdistill import plugins
from cotdistill.chat.proof import Proof, steps_that_fit
from cotdistill.config import FormatConfig, MixShare
from cotdistill.errors import CotDistillError
from cotdistill.formats import prompt_completion
from cotdistill.records import Judged, Prompt


@dataclass
class Rows:
    """Makes rows by the options of format. `counts` says how many were left out, and why. Without a student there is no
    `proof`."""

    config: FormatConfig
    proof: Proof | None
    counts: Counter[str] = field(default_factory=Counter)
    mixed: Counter[str] = field(default_factory=Counter)
    """Rows by their tag of --mix."""

    def __post_init__(self) -> None:
        self._layout: Any = plugins.build("formats", self.config.format)
        self._shares = [MixShare.parse(spec) for spec in self.config.mix]

    def make(self, samples: Sequence[Judged]) -> Iterator[tuple[dict[str, Any], Judged | None]]:
        """Yields the rows of one prompt, each with its id and with the response that it holds whole; None for a pair,
        and for a response that was cut.

        Raises CotDistillError for a row that cannot be proven for the student.
        """
        prompt = samples[0].response.prompt
        for judged, ending, row in self._laid_out(samples):
            row = {"id": f"{prompt.id}/{ending}", **row}
            if judged.weight is not None:
                row["weight"] = judged.weight
            fitting = self._fitting(row, judged)
            if fitting is None:
                continue
            whole = judged if fitting is row and not hasattr(self._layout, "rows") else None
            times = self._times(prompt, row["id"])
            self.counts["mixed_out"] += not times
            for number in range(times):
                yield (fitting if number == 0 else {**fitting, "id": f"{row['id']}+{number}"}), whole

    def _times(self, prompt: Prompt, name: str) -> int:
        """How often the row is written: its share's whole part, and once more if a number drawn by its id is below the
        fraction."""
        tags = prompt.tags or {}
        share = next((one for one in self._shares if tags.get(one.tag) == one.value), None)
        if share is None:
            return 1
        self.mixed[f"{share.tag}={share.value}"] += 1
        lot = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64
        return int(share.times) + (lot < share.times % 1)

    def without_rows(self) -> list[str]:
        """The tags of --mix that no row has."""
        return [name for one in self._shares if not self.mixed[name := f"{one.tag}={one.value}"]]

    def _laid_out(self, samples: Sequence[Judged]) -> Iterator[tuple[Judged, str, dict[str, Any]]]:
        if hasattr(self._layout, "rows"):
            pairs: list[tuple[str, Any]] = self._ask(lambda: list(self._layout.rows(samples)), samples[0])
            if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
                raise self._wrong(pairs, samples[0], "pairs of an id's ending and a row")
            self.counts["prompts_without_rows"] += not pairs
            yield from ((samples[0], str(ending), self._checked(row, samples[0])) for ending, row in pairs)
            return
        for judged in samples:
            self.counts["without_reasoning"] += not judged.response.reasoning
            yield judged, str(judged.response.sample), self._row(judged)

    def _row(self, judged: Judged) -> dict[str, Any]:
        return self._checked(self._ask(lambda: self._layout.row(judged), judged), judged)

    def _ask(self, make: Callable[[], Any], judged: Judged) -> Any:
        """Raises CotDistillError that names the layout and the sample where the layout fails."""
        try:
            return make()
        except plugins.FAILURES as error:
            raise plugins.failure(error, f"format {self.config.format!r}", _place(judged)) from error

    def _checked(self, row: Any, judged: Judged) -> dict[str, Any]:
        if not isinstance(row, dict):
            raise self._wrong(row, judged, "a row, as a dict")
        if self.config.format.endswith(".py"):
            try:
                checked: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(row))  # as it will be read again
            except (TypeError, ValueError, RecursionError):
                raise self._wrong(row, judged, "a row of texts, numbers, lists and dicts, as JSON has them") from None
            return checked
        return row

    def _wrong(self, found: Any, judged: Judged, expected: str) -> CotDistillError:
        shown = f"{found!r}"[:200]
        return CotDistillError(f"format {self.config.format!r}: expected {expected} for {_place(judged)}, got {shown}")

    def _fitting(self, row: dict[str, Any], judged: Judged) -> dict[str, Any] | None:
        """The row, a shorter one, or None where the student cannot read it."""
        if self.proof is None:
            return row
        try:
            if all(self.proof.fits(one) for one in _conversations(row, judged)):
                return row
            shorter = self._cut(row, judged) if self.config.cut_long else None
            self.counts["rows_too_long"] += shorter is None
            return shorter
        except CotDistillError:
            if not self.config.skip_bad:
                raise
            self.counts["rows_not_proven"] += 1
            return None

    def _cut(self, row: dict[str, Any], judged: Judged) -> dict[str, Any] | None:
        """Cut the trace at the end of a line: half a step would teach to stop in the middle of one."""
        proof, reasoning = self.proof, judged.response.reasoning
        assert proof is not None
        if not reasoning or hasattr(self._layout, "rows"):
            return None

        def shorter(trace: str) -> dict[str, Any]:
            response = msgspec.structs.replace(judged.response, reasoning=trace)
            cut = msgspec.structs.replace(judged, response=response)
            return {**row, **self._row(cut)}

        quiet = Proof(proof.tokenizer, proof.max_length)
        trace = steps_that_fit(
            reasoning, lambda part: all(map(quiet.fits, _conversations(shorter(part), judged, part)))
        )
        if trace is None:
            return None
        proof.cut += 1
        for one in _conversations(shorter(trace), judged, trace):
            proof.fits(one)
        return shorter(trace)


def _place(judged: Judged) -> str:
    return f"prompt {judged.response.prompt.id!r}, sample {judged.response.sample}"


def _conversations(row: dict[str, Any], judged: Judged, trace: str | None = None) -> list[dict[str, Any]]:
    """The conversations that a student would be trained on, in any layout: a pair holds two."""
    if "chosen" in row:
        return [{"id": row["id"], "prompt": row["prompt"], "completion": row[side]} for side in ("chosen", "rejected")]
    if "completion" in row or "messages" in row:
        return [row]
    if trace is not None:
        judged = msgspec.structs.replace(judged, response=msgspec.structs.replace(judged.response, reasoning=trace))
    return [{"id": row["id"], **prompt_completion.Format().row(judged)}]
