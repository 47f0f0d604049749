"""A text's answer among a closed set of labels: yes or no, true or false, or the classes of a data set."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from cotdistill.answers.boxes import tidy
from cotdistill.answers.extract import final_answer
from cotdistill.answers.folding import UMLAUTS, without_accents
from cotdistill.answers.hedges import DENIES, DOUBTS, without_questions
from cotdistill.answers.markup import as_seen
from cotdistill.answers.spelling import plain
from cotdistill.answers.yes_no import ALONE, YES_NO

_DISTANT = re.compile(
    r"\b(?:no|non|without|lack(?:s|ing)?|fail(?:s|ed|ing)?|absence|(?:less|more|fewer|rather|other) than|almost"
    r"|nearly|close to"
    r"|between|at (?:least|most)|unlikely|resembl\w+|related to|rul(?:e|es|ed|ing) out|exclud\w+|reject\w*"
    r"|eliminat\w+|above|below|out of)\b",
    re.IGNORECASE,
)
"""A sentence that names a label and says that it is another."""
_UNDECIDED = re.compile(
    r"\b(?:either|depends?|unclear|unknown|uncertain|impossible to|can ?not (?:say|tell|know|be determined)"
    r"|can't (?:say|tell)"
    r"|maybe|perhaps|possibly|not necessarily|hard to say|not sure|unsure|insufficient|it varies|no (?:idea"
    r"|clue|comment|way to)"
    r"|half|partly|partially|(?:yes|no|true|false),? (?:only )?(?:if|when|unless)"
    r"|would be (?!yes|no|true|false)|(?:would|could|can) only be|only (?:true|false|correct)"
    r"|would (?:be|have been) (?:true|false|correct) (?:if|in|only))\b",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"\b(?:impossible to (?:say|tell|know)|unclear|unknown|not sure|can ?not (?:say|tell|know))\b"
    r"|^\w+, (?:only )?(?:if|unless) (?!and only)",
    re.IGNORECASE,
)
_ASKED = re.compile(r"\((?:[^()\n]{0,40})\)|\b(?:yes or no|true or false|yes/no|true/false|y/n)\b", re.IGNORECASE)
_CLAUSE = re.compile(
    r"[.!?;。！？](?=\s|$)|[:,](?=\s)|\s[-–—]+\s|—|\n|\b(?:because|since|as|but|although|which|so that)\b"
)
_CHANGED = re.compile(
    r"\b(?:actually|wait|correction|on second thought|i mean|sorry|oops|scratch that|my mistake)\b", re.I
)
_NO = re.compile(r"[.,;–—-] ?no,? ", re.IGNORECASE)
_LEAD_IN = re.compile(
    r"^\W*(?:(?:so|thus|therefore|hence|well|overall|finally|in conclusion|in short|to conclude|as a result|and|then"
    r"|consequently|in summary|based on (?:this|that|the above))\b,? ?)+",
    re.IGNORECASE,
)


def label_of(text: str, labels: Sequence[str] | None = None) -> str | None:
    """The one of `labels` that a text without its trace gives as its answer, None where it gives none or more than one.
    Without labels: "yes" or "no", which true and false, correct and incorrect stand for.

    What is announced or boxed decides; then the first word of the text, then the last line, then the last sentence
    that names one label only. A hedge leaves none; a denial leaves none either, but of yes and no it is the other.
    """
    names = _spellings(tuple(labels)) if labels else _spellings(None)
    text = without_questions(as_seen(text))
    text = _without_scale(text, labels) if labels else _DETERMINER.sub("", text)
    found = final_answer(text)
    if found and found.rule in ("tag", "json", "boxed", "hashes", "answer_line", "conclusion"):
        label = _of_answer(found.answer, names, labels is None)
        if label or _named(found.answer, names) or _UNDECIDED.search(found.answer) or DENIES.search(found.answer):
            return label
    lines = [plain(line) for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    for line in (lines[0], lines[-1]):
        if (label := _leading(line, names)) is not None:
            return label
    sentence = _last_sentence(lines[-1])
    return _leading(sentence, names) or _of_sentence(sentence, names, labels is None)


@lru_cache(64)
def _spellings(labels: tuple[str, ...] | None) -> dict[str, str]:
    """Each folded spelling of a label, and its label."""
    if labels is None:
        return {_folded(word): label for label, words in YES_NO.items() for word in words}
    names = {_folded(label): label for label in labels}
    bare = [(without_accents(name), label) for name, label in names.items()]
    bare += [(name.translate(UMLAUTS), label) for name, label in names.items()]
    return {name: label for name, label in bare if names.get(name, label) == label} | names


_DETERMINER = re.compile(
    r"\bno (?=(?:doubt|problem|worries|matter|thanks|other|further|need|more|one|reason"
    r"|[a-z]+ (?:is|are|exists?|was|were))\b)",
    re.IGNORECASE,
)
"""The word of "no doubt", which answers nothing."""


def _without_scale(text: str, labels: Sequence[str]) -> str:
    """`4/5` and "4 out of 5" as 4, where the labels are numbers up to 5."""
    if not all(label.strip().isdecimal() for label in labels):
        return text
    most = max(int(label) for label in labels)
    return re.sub(rf"(?<![\d./])(\d{{1,3}}) ?(?:/|out of) ?{most}(?![\d/]|\.\d)", r"\1", text)


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\d+(?:[.,]\d+)+|[^\W_]+|[+&/#]", plain(text).casefold()))


@lru_cache(64)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(
        "|".join(
            rf"(?<![\w.]){re.escape(name)}(?![\w]|[.,]\d)" if name.isascii() else re.escape(name)
            for name in longest_first
        )
    )


@lru_cache(64)
def _as_written(names: tuple[str, ...]) -> re.Pattern[str]:
    """Labels with the hyphens that `_folded` takes away."""
    return re.compile(_pattern(names).pattern.replace("\\ ", r"[\s_-]+"))


def _named(text: str, names: Mapping[str, str]) -> list[tuple[int, str]]:
    """The labels in a text in order, the longest reading first: "not entailment" is no "entailment"."""
    folded = _folded(text)
    return [(found.start(), names[found[0]]) for found in _pattern(tuple(names)).finditer(folded)]


def _leading(line: str, names: Mapping[str, str]) -> str | None:
    """A label alone, or at the head of a line with a comma, a point or a dash behind it."""
    line = _LEAD_IN.sub("", line)
    folded = _folded(line)
    if folded in names:
        return names[folded]
    if "yes" in names and names["yes"] == "yes" and "true" in names and folded in ALONE:
        return ALONE[folded]
    head = re.match(r"[^.,;:!—–\n-]{1,60}?(?=\s?[.,;:!—–]|\s-\s|\s?\n)", tidy(line) + "\n")
    label = names.get(_folded(head[0])) if head else None
    if label is None or head is None or _UNKNOWN.search(line[:80]):
        return None
    behind = line[head.end() :]
    ends = names.get(_folded(re.split(r"[,;.!?–—]", behind.rstrip(" .!"))[-1]))
    if ends not in (None, label) or (
        _only_names(behind, names) and {other for _, other in _named(behind, names)} - {label}
    ):
        return None
    changed = _CHANGED.search(line, head.end()) or ("no" not in names and _NO.search(line, head.end())) or None
    return None if changed and {other for _, other in _named(line[changed.end() :], names)} - {label} else label


def _only_names(text: str, names: Mapping[str, str]) -> bool:
    """Whether a text is a list of labels: "entailment, neutral, contradiction"."""
    return not re.sub(r"\b(?:and|or|und|oder|no)\b", "", _pattern(tuple(names)).sub("", _folded(text))).strip()


def _of_answer(answer: str, names: Mapping[str, str], opposes: bool) -> str | None:
    """Of an announced answer: the label that it begins with, else the only one in its first clause that has any."""
    answer = plain(answer)
    if (label := names.get(_folded(answer))) is not None:
        return label
    if (label := _leading(answer, names)) is not None:
        return label
    if _UNDECIDED.search(answer[:200]):
        return None
    first = _CLAUSE.split(answer)[0]
    words = _named(first, names)
    if (
        words
        and words[0][0] == 0
        and len({label for _, label in words}) == 1
        and not DENIES.search(_without(first, names))
    ):
        return words[0][1]
    return _of_sentence(first if words else answer[:300], names, opposes)


def _last_sentence(line: str) -> str:
    return re.split(r"(?<=[.!?])\s+|[。！？]", line.rstrip(" .!?。"))[-1]


def _of_sentence(sentence: str, names: Mapping[str, str], opposes: bool) -> str | None:
    """The only label of a sentence that states one: "The statement is true." """
    if _CONDITION.match(sentence) or _UNDECIDED.search(sentence if opposes else _without(sentence, names)):
        return None
    sentence = _without_denied(_ASKED.sub(" ", sentence), names)
    labels = {label for _, label in _named(sentence, names)}
    if len(labels) > 1 and not opposes and (found := _CONCESSION.search(sentence)):
        sentence = sentence[found.end() :]
        labels = {label for _, label in _named(sentence, names)}
    if len(labels) != 1:
        return None
    label = labels.pop()
    if opposes and not _STATES.search(_until(sentence, names)):
        return None
    rest = _without(sentence, names)
    if not DENIES.search(rest) and (opposes or not (_DISTANT.search(rest) or DOUBTS.search(rest))):
        return label
    denied = re.search(r"\b(?:is|was|are) not (?:\w+ )?$|n't (?:\w+ )?$", _until(sentence, names), re.IGNORECASE)
    return {"yes": "no", "no": "yes"}[label] if opposes and denied else None


_CONDITION = re.compile(r"\W*(?:if|unless)\b(?!.*\b(?:so|therefore|thus|hence|since|because)\b)", re.IGNORECASE)
_CONCESSION = re.compile(r"^(?:despite|although|though|while|even though|whereas)\b[^,]{1,200},|.*;", re.IGNORECASE)
_STATES = re.compile(
    r"(?:\b(?:is|was|are|be|as|so|therefore|thus|hence|that|answer|i would say|i'd say)\b|[:=,])[^.]{0,20}$"
    r"|^\W*\w*\W*$",
    re.IGNORECASE,
)


@lru_cache(64)
def _denial(names: tuple[str, ...]) -> re.Pattern[str]:
    label = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(
        rf",? ?\b(?:(?:and|but) )?(?:not|rather than|instead of|as opposed to) (?:an? |the )?[\"'“*]?(?:{label})(?!\w)"
        r"[\"'”*]?(?: but)?",
        re.IGNORECASE,
    )


def _without_denied(sentence: str, names: Mapping[str, str]) -> str:
    """ "It is neutral, not positive" and "not positive but neutral" without the label that is denied, if one is
    left."""
    rest = _denial(tuple(names)).sub(" ", sentence)
    return rest if rest != sentence and len({label for _, label in _named(rest, names)}) == 1 else sentence


def _without(sentence: str, names: Mapping[str, str]) -> str:
    """A sentence without its labels: one of them may be "not entailment"."""
    return _as_written(tuple(names)).sub(" ", " ".join(sentence.casefold().split()))


def _until(sentence: str, names: Mapping[str, str]) -> str:
    """A sentence before its label."""
    lowered = sentence.casefold()
    places = [place for name in names if (place := lowered.rfind(name)) >= 0]
    return sentence[: max(places)] if places else sentence
