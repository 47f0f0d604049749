"""Sentences that announce the final answer, in the languages that teachers answer in."""

import re
from typing import NamedTuple

from cotdistill.answers.boxes import MAX_ANSWER, tidy
from cotdistill.answers.corrections import revision

_INSERT = r"""(?:[ ]?\([^()\n]{1,80}\)|,[ ][^,.:;\n=]{1,60},|[ ]to[ ][^.:\n]{1,60}?
    |[ ](?:in|for|of|as|expressed|rounded|here|then|now|we[ ]want|we[ ]need|you[ ]are[ ]looking[ ]for)\b
    [^.:;,\n=]{0,60}?)?"""
_VERB = r"""(?:is|was|equals|becomes|would[ ]be|will[ ]be|should[ ]be|must[ ]be|has[ ]to[ ]be
    |comes[ ](?:out[ ])?to|turns[ ]out[ ]to[ ]be)\b"""
_FILLER = r"(?:[ ](?:therefore|thus|then|simply|just|clearly|indeed|hence|also|exactly|precisely|equal[ ]to)\b){0,2}"
_GAP = r"[ \t*_]{0,4}(?P<gap>\s{0,4})(?:\$\$|\\\[)?\s{0,4}(?=\S)"
_NOTE = r"(?:\([^()\n]{1,80}\)[ \t*_]{0,4})?"
_ENGLISH = re.compile(
    rf"""(?:
    # Answer: 18 · **Final Answer** · A: 18 · Result (clips): 18
    ^[ \t>*_#|-]{{0,8}}(?:(?:so|thus|hence|therefore),?[ ])?(?:the[ ])?(?:(?:final|correct|short|my)[ ])?
        (?P<label>answer|ans|a|final[ ]result|result|final)[ \t*_]{{0,4}}{_NOTE}
        (?:[:=]|(?=\n)|(?<=[rst])[ ]?[–—-](?=[ ]))
    |^[ \t>*_#|-]{{0,8}}(?:the[ ])?(?:final[ ])?(?P<weak_label>solution|conclusion)[ \t*_]{{0,4}}:(?=[^\n]{{0,8}}\d)
    # so the answer to (a) is 18
    |\b(?=[aftoAFTO])(?:
        (?:answer|ans){_INSERT}[ \t*_]{{0,4}}(?:(?<=[ *_)]){_VERB}:?{_FILLER}[ \t*_]{{0,4}}:?|[:=])
        |the[ ]correct[ ](?:option|choice|alternative|statement){_INSERT}[ \t*_]{{0,4}}
            (?:(?<=[ *_)]){_VERB}{_FILLER}:?|:)
        |(?P<weak_total>final|overall)[ ](?:result|total|value|number|amount|cost|price|count){_INSERT}[ \t*_]{{0,4}}
            (?:(?<=[ *_)]){_VERB}:?{_FILLER}|[:=])
        |the[ ](?P<weak>result|solution)[ ](?:is|equals):?{_FILLER}[ ]?(?=[^\n]{{0,8}}\d)
    )
    ){_GAP}""",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_WITH_COMMA = {
    "German": ("(?:end)?antwort|lösung|(?:end)?ergebnis", "ist|lautet|beträgt|wäre|heißt"),
    "French": ("réponse|résultat", "est|est[ ]de|vaut|serait"),
    "Spanish": ("respuesta|resultado|solución", "es|es[ ]de|sería|será"),
    "Portuguese": ("resposta|resultado|solução", "é|é[ ]de|seria|será"),
    "Italian": ("risposta|risultato|soluzione", "è|sarebbe"),
    "Russian": ("ответ|результат|итог", "равен|будет|это|[—–-](?=[ ])"),
    "Dutch": ("antwoord|uitkomst", "is"),
    "Polish": ("odpowiedź|wynik", "to|wynosi"),
    "Turkish": ("cevap|sonuç|yanıt", "şudur"),
    "Swedish": ("svar|svaret|resultatet", "är"),
    "Indonesian": ("jawaban|jawabannya", "adalah"),
    "Vietnamese": ("đáp[ ]án|đáp[ ]số|câu[ ]trả[ ]lời", "là"),
}
"""Languages with a decimal comma: what the answer is called, and what stands between its name and the answer."""
_ADJECTIVE = r"(?:[ ](?:final(?:e|es)?|corr?ect[aeo]?|corrett[ao]|corret[ao]|exact[aeo]|esatt[ao]|akhir))?"
_LATIN = re.compile(
    r"\b(?:"
    + "|".join(
        rf"(?:{nouns}){_ADJECTIVE}(?:[ ]\([^()\n]{{1,60}}\))?[ \t*_]{{0,4}}(?:[ ](?:{verbs})(?!\w)[ ]?:?|[ ]?[:=])"
        for nouns, verbs in _WITH_COMMA.values()
    )
    + rf"){_GAP}",
    re.VERBOSE | re.IGNORECASE,
)
_COMMA_NAMES = re.compile(
    "|".join(nouns.replace("[ ]", " ").replace("(?:end)?", "") for nouns, _ in _WITH_COMMA.values())
)
"""Looked for first, which is cheap: most texts have none."""
_EASTERN = re.compile(
    rf"""(?:
    (?:最终)?(?:答案|结果|結果|结论|結論)(?:应该|应|應)?(?:(?:是|为|為|等于|就是)[ ]?:?|[ ]?[:=])
    |(?:^|(?<=[\s。,]))[答解][ ]?:
    |(?:故选|故選|因此选|所以选|应选|應選|(?:^|(?<=[\s。,]))选择?|選(?:項|择)?)[ ]?:?(?=[ ]{{0,2}}[(]?[A-Z])
    |(?:最終的な)?(?:答え|解答|正解|回答|答)(?:[ ]?[:=]|は)
    |(?:정답|답|결과|해답)(?:[ ]?[:=]|[은는이][ ]?:?)
    |(?:الإجابة|الجواب|النتيجة)(?:[ ](?:النهائية|النهائي|الصحيحة))?[ ]?(?:هي|هو|[:=])
    |(?:अंतिम[ ])?(?:उत्तर|जवाब)(?:[ ]है)?[ ]?[:=]?(?=[ ]?\d|[ ]?\()
    ){_GAP}""",
    re.VERBOSE | re.MULTILINE,
)
_BACKWARDS = re.compile(
    r"(?:,? which)? (?:is|are|must be|would be|should be|has to be) (?:therefore |thus |then |indeed |clearly )?"
    r"(?:the|our|my) (?:final |correct |right )?(?:answer|result|solution|option|choice)\b(?! (?:is|was|if"
    r"|only)\b)(?!:)",
    re.IGNORECASE,
)
_BACKWARDS_HINT = re.compile(r" (?:is|are|be) (?:therefore |thus |then |indeed |clearly )?(?:the|our|my) [a-z]")
_IS_CORRECT = re.compile(
    r"\b((?:option|choice|answer|statement|alternative) (?:\([A-Z]\)|[A-Z]\b))(?: is|'s) (?:therefore |thus |the )?"
    r"(?:correct|right|true)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(
    r"(?:\?|(?<!\b(?i:ca))(?<!\b(?i:approx))(?<!\bi\.e)(?<!\be\.g)\.|(?<!^(?i:ca))(?<!^(?i:approx))\.(?!\s+(?:[^\w\s]{0,3}\d|\\)))"
    r"(?=[\s*\")]|$)|(?<=[a-z])!(?=\s|$)|;(?=\s+[a-z]{2})|[。！？]"
)
"""Not within `ca. 187,5` and `\\pi, approx. 3.14`; but `12 approx. So 7 are left` has one."""
TAIL = re.compile(
    r"\s?(?:です|であります|である|になります|となります|だ|でした|입니다|이다|이에요|예요|됩니다|है|hai|olur|dir|dır)$"
)
PROSE = re.compile(r"(?<![\\\w])[^\W\d_]{2,30}[,:;]? +[^\W\d_]{2}")
"""Two words beside each other, which are no formula."""
_UNREAL = re.compile(
    r"\b(?:suppose|supposing|assume|assuming|thought|believed|guessed|expected"
    r"|if|whether|unless|imagine|pretend|say that|let's say|were|could be"
    r"|might be"
    r"|(?:in|for|from) (?:the|this|that|our) (?:\w+ )?examples?|what|which|check that|verify that|guess that"
    r"|doubt|because|how)\b"
    r"(?:(?!, (?:but|yet|so) )[^.!?\n]){0,60}$",
    re.IGNORECASE,
)
_EMPTY = re.compile(
    r"(?:also |indeed |still )?(?:correct|right|wrong|incorrect|verified|confirmed|reasonable|consistent|valid"
    r"|complete|below"
    r"|above|as follows|found|obtained|given|based|positive|negative|unique|the same|not an? |an? (?:integer"
    r"|whole))\b",
    re.IGNORECASE,
)
"""What an answer may be said to be without saying which it is."""

_ELSEWHERE = re.compile(
    r"(?:on|in|at|see|from|given|shown|listed|found)(?: (?:on|in|at|by))? (?:the )?"
    r"(?:page|table|figure|section|chapter|line|step|appendix|row|column|equation|exercise)\b",
    re.IGNORECASE,
)
"""Where an answer may be found."""

_OR_BEFORE = re.compile(
    r"(?:\b(?:or|oder|ou|o|или)(?: (?:alternatively|else|perhaps|maybe),?)?(?: that)?|或|또는)"
    r"[ ,]{0,3}(?:the |die |la )?$",
    re.IGNORECASE,
)
"""Before an announcement that is only the other one of two."""


class Announced(NamedTuple):
    """What is announced, "" where it is taken back after that, and whether it is in a language with a decimal comma.
    `weak`: by "the result is", which also names what is only on the way."""

    answer: str
    comma: bool
    weak: bool = False


def last_announced(text: str) -> Announced | None:
    """The last announced answer, up to the end of its sentence. Where a label stands alone, what follows it is the
    answer only if it is no prose: `A:` also begins a worked solution."""
    marks = [(mark.start(), mark, "") for mark in _ENGLISH.finditer(text)]
    lowered = text.lower()
    if _BACKWARDS_HINT.search(lowered):
        marks += [(mark.start(), mark, "back") for mark in _BACKWARDS.finditer(text)]
    if "correct" in lowered or " right" in lowered or " true" in lowered:
        marks += [(mark.start(), mark, "back") for mark in _IS_CORRECT.finditer(text)]
    if _COMMA_NAMES.search(lowered):
        marks += [(mark.start(), mark, "comma") for mark in _LATIN.finditer(text)]
    if not text.isascii():
        marks += [(mark.start(), mark, "east") for mark in _EASTERN.finditer(text)]
    for _, mark, kind in sorted(marks, key=lambda one: one[0], reverse=True):
        if _OR_BEFORE.search(text[max(0, mark.start() - 30) : mark.start()]):
            continue
        found = _before(text, mark) if kind == "back" else _after(text, mark, kind)
        if found:
            behind = text[mark.end() :]
            rest = behind.partition(found.answer)[2] if kind != "back" and found.answer else behind
            within = revision(found.answer[1:], near=True)  # "38, no, 40"
            judged = within if within.instead else revision(rest)
            return found if judged.stands else found._replace(answer=judged.instead or "")
    return None


def first_announced(text: str) -> int | None:
    """Where the first announcement of a text ends, None without one."""
    found = [pattern.search(text) for pattern in (_ENGLISH, _LATIN, _EASTERN)]
    return min((mark.end() for mark in found if mark), default=None)


def _after(text: str, mark: re.Match[str], kind: str) -> Announced | None:
    groups = mark.groupdict()
    if (
        not groups.get("label")
        and not groups.get("weak_label")
        and _UNREAL.search(text, max(0, mark.start() - 90), mark.start())
    ):
        return None
    said = text[mark.end() : mark.end() + MAX_ANSWER].partition("\n")[0]
    apart = "\n" in mark["gap"] and (groups.get("label") or kind)
    if apart and ((groups.get("label") or "").lower() in ("a", "final") or PROSE.search(said)):
        return None
    sentence = first_sentence(said)
    if groups.get("weak_label") and (PROSE.search(sentence) or "\n" in mark["gap"]):
        return None
    asks = said[len(sentence) :].lstrip("*_ ").startswith("?")
    if not sentence or asks or (_EMPTY.match(sentence) and not re.search(r"\d", sentence)):
        return None
    if _ELSEWHERE.match(sentence):
        return Announced("", comma=False)
    weak = bool(groups.get("weak") or groups.get("weak_total"))
    return Announced(TAIL.sub("", sentence) if kind == "east" else sentence, kind == "comma", weak)


def _before(text: str, mark: re.Match[str]) -> Announced | None:
    """ "72 is the final answer": what stands before it in its sentence."""
    if mark.re is _IS_CORRECT:
        return Announced(mark[1], comma=False)
    sentence = re.split(r"[.!?:](?=\s)|\n|; ", text[max(0, mark.start() - 200) : mark.start()])[-1]
    sentence = re.sub(r"^.*,\s", "", sentence) if not re.search(r"\d", sentence) else sentence
    sentence = re.sub(
        r"^(?:so|thus|hence|therefore|and|then|we (?:get|have|see that))\b,? ?", "", sentence.strip(" *_"), flags=re.I
    )
    said = tidy(sentence)
    plainly = said and not _UNREAL.search(text, max(0, mark.start() - 90), mark.start()) and len(said) <= 100
    return (
        Announced(said, comma=False) if plainly and not re.match(r"(?:this|that|it|which|what)$", said, re.I) else None
    )


def first_sentence(text: str) -> str:
    text = tidy(text)
    end = _SENTENCE_END.search(text)
    return tidy(text[: end.start()]) if end else text
