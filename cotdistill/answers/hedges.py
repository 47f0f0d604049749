"""Words that make a number no answer, before it, "at least", and behind it, "or more"; and texts that refuse one."""

import re

REFUSES = re.compile(
    r"""\b(?:i[ ](?:can[ ]?not|can't|do[ ]not|don't|am[ ]unable|am[ ]not[ ]able|was[ ]unable|could[ ]not|couldn't)[ ]
        (?:\w+[ ])?(?:solve|answer|determine|know|find|compute|calculate|tell|say)
    |i[ ](?:can[ ]?not|can't|will[ ]not|won't)[ ](?:help|comply|assist)|unable[ ]to[ ](?:solve|answer|determine|compute)
    |not[ ](?:enough|sufficient)[ ]information|insufficient[ ]information|it(?:[ ]is|'s)[ ]unclear
    |impossible[ ]to[ ](?:say|tell|know|determine)|can[ ]?not[ ]be[ ](?:determined|solved|answered|computed|known)
    |some[ ]say|others[ ]say|i(?:'?m|[ ]am)[ ]not[ ]sure|no[ ]idea
    |there[ ]is[ ]no[ ](?:final[ ]|single[ ]|unique[ ])?answer
    |timed?[ ]?out)\b
    |\bso[ ]far\b[^.\n]{0,80}\b(?:but|still)\b[^.\n]{0,80}$""",
    re.IGNORECASE | re.VERBOSE,
)

_BEFORE = {
    "English": "not|never|no|nor|neither|cannot|hardly|barely|doubt(?: that)?(?: it)?|[a-z]{2,8}n't"
    "|(?:more|less|fewer|greater|larger|smaller|bigger|higher|lower|other) than|than or equal to"
    "|at (?:the )?(?:least|most)|up to|no (?:more|less) than|under|above|below|over|exceeds?|exceeding|between|either"
    "|except|unless|if|maybe|perhaps|possibly|(?:might|may|could) be|minimum of|maximum of|somewhere|nearly|almost"
    "|rather than|instead of|half of|twice|double|thrice|(?:a|one) (?:third|quarter|half) of|steps?|confidence|version",
    "German": r"nicht|kein\w*|mehr als|weniger als|über|unter|mindestens|höchstens|zwischen|fast|entweder|vielleicht",
    "French": "plus de|moins de|au moins|au plus|pas|presque|peut-être|plus grand que",
    "Spanish": "más de|menos de|al menos|como máximo|casi|quizás|tal vez|no es",
    "Portuguese": "mais de|menos de|pelo menos|no máximo|quase|talvez|não",
    "Italian": "non|più di|meno di|almeno|al massimo|quasi|forse",
    "Russian": "не|более|менее|больше|меньше|нет|почти|чем|до|ни|либо|может быть",
    "Dutch": "meer dan|minder dan|niet|geen|minstens",
}
_BEFORE_UNSPACED = (
    "不是|并非|不|至少|至多|最多|最少|超过|超過|少于|少於|多于|多於|大于|小于|介于|可能是|也许|或许|以上"
    "|ない|たぶん|おそらく|적어도|최소|최대|아마"
    r"|\\(?:geq?|leq?|neq?)(?![a-z])|[<>≥≤≠]"
)
_BETWEEN = (
    r"[ :=$*_(\\]{0,6}(?:(?:the|a|an|about|only|just|of|be|is|equal to|é|è|es|est|ist|sind|son|são|de|que|als|le|la"
    r"|el) ){0,3}[$*_(\\]{0,3}$"
)
HEDGE_BEFORE = re.compile(rf"(?:\b(?:{'|'.join(_BEFORE.values())})\b|{_BEFORE_UNSPACED}){_BETWEEN}", re.IGNORECASE)
"""At the end of what stands before a number."""

_AFTER = (
    r"or (?:so|more|less|fewer|even|\d|maybe|perhaps|possibly|the (?:answer|result)|alternatively|else)\b",
    r"and (?:more|counting)\b|at (?:least|most)\b|more or less\b",
    r"(?:is|was) (?:not (?:right|correct|it|the|an?|possible|true|enough)|wrong|incorrect|a mistake)\b",
    r"(?:is|was|are) too \w+\b|isn't",
    r"oder (?:mehr|weniger|\d)|ou (?:plus|moins|mais|\d)|o (?:más|menos|più|\d)|или (?:более|менее|\d)",
    r"(?:이|가)? ?아(?:니|닙|닌)|이상|이하|미만|초과|사이",
    r"では(?:あり|な)|じゃ(?:あり|な)|以上|以下|以内|未満|未满|之间|之間|の間|か\d|超|より|多(?!少)|[或]\d",
    r"\?",
)
HEDGE_AFTER = re.compile(rf"[ *_$)]{{0,3}}(?:[a-z]+ )?(?:{'|'.join(_AFTER)})", re.IGNORECASE)
"""Right behind a number."""
