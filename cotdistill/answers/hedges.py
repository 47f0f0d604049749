"""Words that make a number no answer, before it, "at least", and behind it, "or more"; words that deny or doubt what a
sentence names; and texts that refuse an answer."""

import re

REFUSES = re.compile(
    r"""\b(?:i[ ](?:can[ ]?not|can't|do[ ]not|don't|am[ ]unable|am[ ]not[ ]able|was[ ]unable|could[ ]not|couldn't)[ ]
        (?:\w+[ ])?(?:solve|answer|determine|know|find|compute|calculate|tell|say|verify|confirm|decide)
    |i[ ](?:can[ ]?not|can't|will[ ]not|won't)[ ](?:help|comply|assist)|unable[ ]to[ ](?:solve|answer|determine|compute)
    |not[ ](?:enough|sufficient)[ ]information|insufficient[ ]information|it(?:[ ]is|'s)[ ]unclear
    |impossible[ ]to[ ](?:say|tell|know|determine)|can[ ]?not[ ]be[ ](?:determined|solved|answered|computed|known)
    |some[ ]say|others[ ]say|i(?:'?m|[ ]am)[ ]not[ ]sure|no[ ]idea
    |there[ ]is[ ]no[ ](?:final[ ]|single[ ]|unique[ ])?answer
    |would[ ]need[ ][^.\n]{1,60}[ ]to[ ](?:know|tell|say|answer|solve)
    |as[ ]an[ ]ai\b|timed?[ ]?out)\b
    |^\W*error\b|:[ ]error\b
    |\bso[ ]far\b[^.\n]{0,80}\b(?:but|still)\b[^.\n]{0,80}$""",
    re.IGNORECASE | re.VERBOSE,
)

_BEFORE = {
    "English": "not|never|no|nor|neither|cannot|hardly|barely|doubt(?: that)?(?: it)?|[a-z]{2,8}n't"
    "|(?:more|less|fewer|greater|larger|smaller|bigger|higher|lower|other) than|than or equal to"
    "|at (?:the )?(?:least|most)|up to|no (?:more|less) than|under|above|below|over|exceeds?|exceeding|between|either"
    "|except|unless|if|maybe|perhaps|possibly|(?:might|may|could) be|minimum of|maximum of|somewhere|nearly|almost"
    "|all but|(?:every|any)thing but|(?:says?|said|claims?|claimed|believes?|believed|thinks?|guessed|expected)"
    "|(?:complement|opposite|inverse|reciprocal|negation|square|cube|root|multiple) of|before|prior to|until"
    "|(?:earlier|later) than|rather than|instead of|half of|twice|double|thrice|(?:a"
    "|one) (?:third|quarter|half) of|steps?|confidence|version|goes into|short of|['’]d be|page|line|figure|exercise"
    "|example|equation|section|chapter|appendix|column|row|table|footnote"
    "|consider|let's say|start(?:s|ed|ing)? with",
    "German": r"nicht|kein\w*|mehr als|weniger als|über|unter|mindestens|höchstens|zwischen|fast|entweder|vielleicht",
    "French": "plus de|moins de|au moins|au plus|pas|presque|peut-être|plus grand que",
    "Spanish": "más de|menos de|al menos|como máximo|casi|quizás|tal vez|no es",
    "Portuguese": "mais de|menos de|pelo menos|no máximo|quase|talvez|não",
    "Italian": "non|più di|meno di|almeno|al massimo|quasi|forse",
    "Russian": "не|более|менее|больше|меньше|нет|почти|чем|до|ни|либо|может быть",
    "Dutch": "meer dan|minder dan|niet|geen|minstens",
}
_BEFORE_UNSPACED = (
    "不是|并非|不到|不足|将近|未达|不|至少|至多|最多|最少|超过|超過|少于|少於|多于|多於|大于|小于|介于|可能是|也许|或许|以上"
    "|ない|たぶん|おそらく|적어도|최소|최대|아마"
    r"|\\(?:geq?|leq?|neq?)(?![a-z])|[<>≥≤≠]"
)
_BETWEEN = (
    r"[ :=$*_(\\{\[]{0,6}(?:(?:the|a|an|about|only|just|quite|exactly|even|really|of|in|on|be|is|equal to"
    r"|option|number|é|è|es|est|ist|sind"
    r"|son|são|de|que|als|le|la"
    r"|el) ){0,3}[$*_(\\]{0,3}$"
)
HEDGE_BEFORE = re.compile(rf"(?:\b(?:{'|'.join(_BEFORE.values())})\b|{_BEFORE_UNSPACED}){_BETWEEN}", re.IGNORECASE)
"""At the end of what stands before a number."""

_AFTER = (
    r"or (?:so|more|less|fewer|even|\d|maybe|perhaps|possibly|the (?:answer|result)|alternatively|else)\b",
    r"and (?:more|counting)\b|at (?:least|most)\b|more or less\b",
    r",? ?(?:is|was) (?:not (?:right|correct|it|the|an?|possible|true|enough)|wrong|incorrect|a mistake)\b",
    r",? however\b",
    r",? (?:but|yet)\b[^.]{0,60}\b(?:exact|actual|real|true|depends?|unknown|not|answer)\b",
    r"(?:an?|per|each|every) [a-z]+ for (?:the )?\d",
    r"(?:is|was|are|would be|seems?) too \w+\b|isn't|(?:does|do|did|can|could|would|will) ?not\b|(?:does|do|did"
    r"|ca|could|would|wo)n't\b",
    r"is (?:only |just |merely )?(?:an?|the) (?:upper|lower) (?:bound|limit)\b|(?:if|unless|depending"
    r"|otherwise)\b|BCE?\b",
    r"(?:is|was|are|were) (?:an? )?(?:extraneous|rejected|discarded|invalid|excluded|impossible)\b",
    r"and \S{1,20} (?:otherwise|in the other case)\b",
    r"oder (?:mehr|weniger|\d)|ou (?:plus|moins|mais|\d)|o (?:más|menos|più|\d)|или (?:более|менее|\d)",
    r"(?:이|가)? ?아(?:니|닙|닌)|이상|이하|미만|초과|사이",
    r"では(?:あり|な)|じゃ(?:あり|な)|以上|以下|以内|未満|未满|之间|之間|の間|か\d|超|より|多(?!少)|[或]\d",
    r"\?",
)
HEDGE_AFTER = re.compile(rf"[ *_$)]{{0,3}}(?:[a-z]+ )?(?:{'|'.join(_AFTER)})", re.IGNORECASE)
"""Right behind a number."""

_UNSAID = re.compile(
    r"\b(?:no|non|não|nunca|jamás) (?:tiene|tenía|hay|había|son|es|era|quedan?|cuesta|ha|sono|rimangono|costa|tem|há"
    r"|são|é|custa)\b[^.,;:=\n]{0,40}$"
    r"|(?:没有|沒有|不是|不止|至少有?|至多有?|最多有?|最少有?|超过|不到) ?$"
    r"|\b(?:no way|nobody|no one|can ?not|can't|could(?: not|n't)|unable to|mistake to|wrong to)\b"
    r"(?:(?!\b(?:so|hence|thus|therefore|but)\b)[^.,;:=\n]){0,60}$",
    re.IGNORECASE,
)
"""The verb of a number's clause, that denies it: "I cannot bake 96 rolls", "it is a mistake to say 96"."""


def hedged(before: str, after: str) -> bool:
    """Whether the words around a number make it no answer."""
    return bool(HEDGE_BEFORE.search(before[-60:]) or _UNSAID.search(before[-80:]) or HEDGE_AFTER.match(after))


CUT_OFF = re.compile(
    r"(?:\b(?:the|of|to|and|or|but|is|are|was|were|we|he|she|they|then|by|from|with|for|than|because|that|which|must|have|add"
    r"|subtract|multiply|divide|need|plus|minus|times)|[=+×÷/])\s*$",
    re.IGNORECASE,
)
"""The text breaks off in mid-sentence, as at the cap on its tokens."""

_DENIES = (
    r"not|neither|nor|never|cannot|hardly|unlike|wrong|incorrect|false|excluding|except|other than|far from"
    r"|short of|away from|anti|borderline"
    r"|(?:all|everything|everyone|anything|nothing|any \w+) (?:but|except)|(?:opposite|contrary) (?:of|to)"
    r"|[a-z]{2,8}n't",
    r"nicht|kein\w*|weder|falsch|außer|statt",  # German
    r"n'est pas|pas|ni|faux|fausse|sauf|aucune?",  # French
    r"no (?:es|é|son)|tampoco|incorrect[ao]|fals[ao]|excepto|salvo|non|não|nem|né|errad[ao]|sbagliat[ao]|tranne",
    r"не|нет|ни|неверно|неправильно|кроме",  # Russian
    r"niet|geen",  # Dutch
)
DENIES = re.compile(
    rf"\b(?:{'|'.join(_DENIES)})\b|不|没|非|错误|错的|除了|以外|ない|ません|아니|아닙|아닌|틀렸", re.IGNORECASE
)
"""Whether a sentence denies one of the things that it names."""

DOUBTS = re.compile(
    r"\b(?:let(?:['’]s| us| me) (?:look at|evaluate|consider|check|examine|analy[sz]e|start|go)"
    r"|might|may be|could|doubts?|maybe|perhaps|possibly|either|if|unless|whether|otherwise|depend(?:s|ing)"
    r"|not sure|unsure|unclear|unknown|vielleicht|entweder|ob|könnte|peut-être|soit|quizás?|tal vez|talvez|forse"
    r"|может|возможно|либо|supposedly|allegedly|(?:often|commonly|sometimes|widely) (?:said|believed|thought"
    r"|assumed)|said to be"
    r"|(?:some|many|most|others|people|everyone|the (?:user|book|hint))(?: \w+)? (?:say|believe|think|choose"
    r"|chose|claim|guess|pick"
    r"|answer)(?:s|ed)?)\b|可能|也许|或许|かも|吗",
    re.IGNORECASE,
)
"""Whether a sentence leaves it open, or says it of another case."""

_QUOTED = re.compile(
    r"""(?<=[\w,:;.)])\s{1,3}["“«„](?=[^"“”«»\n]{0,60}\banswer(?: \w+){0,3}(?::| is| was| must be| =))"""
    r"""[^"“”«»\n]{1,300}["”»“]""",
    re.IGNORECASE,
)


def without_quoted(text: str) -> str:
    """A text without the answers that it only quotes: `The student wrote "The answer is 5."`"""
    return _QUOTED.sub(" …", text) if "answer" in text.lower() and any(mark in text for mark in '"“«„') else text


_ASKED = re.compile(
    r"(?:(?<=^)|(?<=[.!?\n]))(?:[ ]?(?:option )?\W?\w+\W?\?\s{1,3}(?:no|nein|non|nope)[,.!](?=\s*\S)"
    r"|[^.!?\n]{0,200}\?[\"'”)*]{0,3})",
    re.IGNORECASE,
)
"""A question, and the "no" to one that is a name alone."""


def without_questions(text: str) -> str:
    """A text without what it asks itself and denies at once: "A? No. B." says B."""
    return _ASKED.sub(" ", text).strip() if "?" in text else text
