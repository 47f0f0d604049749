"""What the verifier `math` makes of real solutions whose answer nothing announces, and what each rule of
answers/asked.py costs them.

    python -m tests.benchmarks.unannounced

GSM8K's own solutions (train and test) and the recorded ones of four models, each without its last, marked line: they
end in prose, "In all he has 54 + 48 = 102 lines.". Right is what the marked line said.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator

from cotdistill.verifiers.math import Verifier
from tests.conftest import SHARED, make_prompt, make_response

_GSM8K = SHARED / "data" / "gsm8k"
_CALCULATOR = re.compile(r"<<[^<>]*>>")


def solutions() -> Iterator[tuple[str, str, str, bool]]:
    """Question, reference, solution without its marked line, and whether that line was right."""
    for part in ("train", "test"):
        for line in (_GSM8K / f"{part}.jsonl").read_text().splitlines():
            row = json.loads(line)
            body, _, reference = row["answer"].rpartition("####")
            yield row["question"], reference.strip(), _CALCULATOR.sub("", body).strip(), True
    for line in (_GSM8K / "example_model_solutions.jsonl").read_text().splitlines():
        row = json.loads(line)
        reference = row["ground_truth"].rpartition("A:")[2].strip()
        for recorded in (one for one in row.values() if isinstance(one, dict)):
            body = recorded["solution"].rpartition("A:")[0]
            yield row["question"], reference, _CALCULATOR.sub("", body).strip(), bool(recorded["is_correct"])


def main() -> None:
    verifier, counts, refused = Verifier(), Counter[tuple[bool, str]](), Counter[str]()
    for question, reference, text, right in solutions():
        prompt = make_prompt(question=question, reference=reference)
        verdict = verifier.judge(make_response(text, prompt))
        counts[right, verdict.status] += 1
        if right and (
            reason := re.search(r"which is (.*?): the question|(is a percentage|is a share)", verdict.detail or "")
        ):
            said = reason[1] or reason[2]
            refused["somebody else's" if said.endswith("'s") and said != "another thing's" else said] += 1
    for right in (True, False):
        found = {status: count for (was_right, status), count in sorted(counts.items()) if was_right == right}
        print("right" if right else "wrong", sum(found.values()), found)
    for said, count in refused.most_common():
        print(f"{count:5} right ones refused as {said}")


if __name__ == "__main__":
    main()
