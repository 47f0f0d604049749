"""Chemical formulae and equations in their many spellings: H2SO4, H₂SO₄, \\mathrm{H_2SO_4}, \\ce{H2SO4}."""

import re
from functools import lru_cache

from cotdistill.answers.spelling import plain

_SYMBOLS = """
H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru
Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At
Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og D T
"""
_ELEMENTS = frozenset(_SYMBOLS.split())
_ATOM = r"[A-Z][a-z]?\d{0,3}"
_SPECIES = re.compile(
    rf"\d{{0,3}}(?:{_ATOM}|[(\[](?:{_ATOM}|\((?:{_ATOM}){{1,6}}\)\d{{0,2}}){{1,8}}[)\]]\d{{0,2}}){{1,16}}"
    rf"(?:[.·*]\d{{0,2}}(?:{_ATOM}){{1,4}})?(?P<charge>\d?[+-]|[+-]\d)?(?:\((?:aq|s|l|g)\))?"
)
_ARROWS = re.compile(r"\\(?:long)?rightarrow(?![a-z])|\\to(?![a-z])|\\xrightarrow ?(?:\{[^{}]{0,20}\})?|→|⟶|-->|=>|->")
_BOTH_WAYS = re.compile(r"\\rightleftharpoons|\\leftrightarrow|⇌|↔|<=>|<->|\\le >")
_WORDS = frozenset({"no", "in", "is", "as", "at", "os", "si", "us", "be", "he", "pa", "ha", "ho", "i", "hi", "oh"})
"""Formulae in capitals that are words too."""


@lru_cache(1024)
def formula(text: str) -> str | None:
    """One spelling of a formula or an equation, its sides sorted; None for any other text. Case counts: CO is no Co."""
    if not 0 < len(text) < 300:
        return None
    bare = _BOTH_WAYS.sub("⇌", plain(text)).replace("\\cdot ", "·")
    bare = re.sub(r"\\(?:mathrm|text|textrm|mathsf|rm|ce) ?", "", bare)
    bare = re.sub(r"[\s_{}^$]|\\[,;! ]", "", _ARROWS.sub("→", bare))
    sides = re.split("[→⇌]", bare)
    if len(sides) > 2:
        return None
    species = [side.split("+") if len(sides) == 2 else [side] for side in sides]
    if len(sides) == 2:  # a charge is a plus too: Na+ + Cl-
        species = [re.sub(r"\+(?=\+|$)", "⁺", side).split("+") for side in sides]
    found = [[_species(one) for one in side] for side in species]
    if any(one is None for side in found for one in side):
        return None
    return ("⇌" if "⇌" in bare else "→").join("+".join(sorted(map(str, side))) for side in found)


def is_compound(text: str) -> bool:
    """Whether a text is a formula of two elements or more, an ion, or an equation, rather than a letter or a word."""
    spelt = formula(text)
    if spelt is None or text.casefold() in _WORDS:
        return False
    return "→" in spelt or "⇌" in spelt or len(re.findall("[A-Z]", spelt)) > 1 or spelt[-1] in "+-"


def _species(text: str) -> str | None:
    found = _SPECIES.fullmatch(text.replace("⁺", "+"))
    if found is None or not _ELEMENTS.issuperset(re.findall("[A-Z][a-z]?", re.sub(r"\((?:aq|s|l|g)\)$", "", found[0]))):
        return None
    return re.sub(r"\((?:aq|s|l|g)\)$", "", found[0]).replace("[", "(").replace("]", ")")
