"""The new prompt in what a teacher wrote: without the label, the fence or the tags that some put around it, and without
control characters."""

import re

from cotdistill.answers.characters import without_controls

_FENCE = re.compile(r"\A```\w{0,20}\n(?P<inner>.*)\n```\Z", re.DOTALL)
_TAGS = re.compile(r"\A<(?P<tag>\w{1,20})>(?P<inner>.*)</(?P=tag)>\Z", re.DOTALL)
_LABEL = re.compile(
    r"\A[#*_ ]{0,6}(?:(?:the |here is (?:the|a|one) )?new )?(?:problem|question|prompt|task)[*_ ]{0,4}:[*_ ]{0,4}\s*",
    re.IGNORECASE,
)


def new_prompt(text: str) -> str:
    """ "**New problem:** How many …" -> "How many …"."""
    text = without_controls(text).strip()
    for pattern in (_FENCE, _TAGS):
        if found := pattern.match(text):
            text = found["inner"].strip()
    return _LABEL.sub("", text, count=1).strip()
