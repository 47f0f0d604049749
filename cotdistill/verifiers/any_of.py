"""Several answers of which each is right."""

from dataclasses import dataclass, field
from typing import Literal

from msgspec.structs import replace

from cotdistill import plugins
from cotdistill.answers.references import accepted_answers, fitting_verifier
from cotdistill.records import Response, Verdict, question_of
from cotdistill.verifiers import Verifier as Protocol

MAX_ACCEPTED = 100


@dataclass
class Verifier:
    """Any of the answers that the reference lists in JSON, `["Paris", "City of Light"]`; a text that lists none is one.

    Each is compared by `by`, without it by the verifier that fits that answer: by one that runs no code, asks no
    teacher and reads no file, for a data file may choose this verifier. The verdict is that of the first answer which
    agrees, else of the first in the list.
    """

    by: Literal["choice", "exact", "label", "math", "numeric"] | None = None
    _built: dict[str, Protocol] = field(default_factory=dict, init=False, repr=False)

    def judge(self, response: Response) -> Verdict:
        accepted = accepted_answers(response.prompt.reference or "")
        if not accepted:
            return Verdict(status="bad_reference", method="any_of", detail="the prompt has no accepted answer")
        verdicts = []
        for reference in accepted[:MAX_ACCEPTED]:
            prompt = replace(response.prompt, reference=reference)
            by = self.by or fitting_verifier(reference, question_of(prompt))
            verdict = self._verifier(by).judge(replace(response, prompt=prompt))
            if verdict.status == "correct":
                return verdict
            verdicts.append(verdict)
        return next((one for one in verdicts if one.status != "bad_reference"), verdicts[0])

    def _verifier(self, name: str) -> Protocol:
        if name not in self._built:
            self._built[name] = plugins.build("verifiers", name)
        return self._built[name]
