"""The request that all methods share: a seed, a wish, and what the answer is to be."""

BEGIN, END = "<seed>", "</seed>"

_RULES = (
    "It must be complete in itself: everything that is needed for an answer stands in it, and nothing in it "
    "contradicts anything else. If the one above has a single right answer, the new one must have one too. Write it in "
    "the language and the style of the one above. Write only the new problem: no title, no answer, no remark."
)


def frame(source: str, wish: str, *, opening: str = "Here is a problem or question:", rules: str = _RULES) -> str:
    """One request. `wish` is a sentence that says what the new problem is to be."""
    return f"{opening}\n\n{BEGIN}\n{source}\n{END}\n\nWrite one new problem. {wish} {rules}"


def about_passage(passage: str, wish: str, rules: str) -> str:
    """One request for a question about a passage of a document."""
    return frame(passage, wish, opening="Here is a passage:", rules=rules)


def below_passage(passage: str, question: str) -> str:
    """The new prompt: the passage, and what is asked about it."""
    return f"{passage}\n\n{question}"
