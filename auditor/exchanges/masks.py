"""What loggers write in place of a secret value: requests that hold it differ in what is not there.

Doubt makes a request unknown and never a repeat: `[email protected]` may be what was asked for, or what hides it.
"""

import html
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

import orjson

_SURE = (
    "redacted|filtered|masked|scrubbed|saniti[sz]ed|obfuscated|anonymi[sz]ed|pseudonymi[sz]ed|censored|truncated|omitted|elided|"
    "stripped|withheld"
)
_MAYBE = (
    "hidden|removed|deleted|suppressed|encrypted|protected|secret|private|confidential|sensitive|undisclosed|"
    "not[ _-]logged"
)
_PERSONAL = (
    "pii|personal|names?|users?|e-?mails?|phones?|address(?:es)?|numbers?|cards?|accounts?|tokens?|keys?|passwords?|"
    "credentials?|ids?|ips?|ssns?|data|values?|contents?|fields?|params?|parameters?|args?|bod(?:y|ies)|payload|strings?|"
    "info(?:rmation)?|details?"
)
_MORE = r"[\w .,:-]{0,24}"
_OPEN, _SHUT = r"[\[<({]", r"[\])>}]"
_INSIDE = r"[^\[\]<>(){}=\";/!]"
"""What HTML and CSS write between brackets is none: `<input type=hidden name=a>`, `{overflow: hidden; content: ''}`."""
_LONGEST = 200
"""Characters of a value that is a mask as a whole."""
_COUNTED = r"\d+ ?(?:b|bytes|chars|characters)"
_UNPRINTED = (
    rf"(?:(?:binary|blob|bytes|string|str|text|buffer|len(?:gth)?)[ :=(,]{{1,2}}(?:\d+|data|{_COUNTED})|{_COUNTED})\)?"
)
"""What a program writes for what it could not print."""
_ALONE = rf"[\W_]+(?:{_SURE}|{_MAYBE}|pii)[\W_]+"
_WHOLE = re.compile(
    rf"{_ALONE}|[\W_]+(?:{_SURE})|masked|filtered|censored|[\W_]*(?:\.{{3,}}|…)[\W_]*"
    r"|(?:\S*[^a-z\s])?redacted(?:[^a-z\s]\S*)?|x{3,}@\S+"
    rf"|{_OPEN}{_UNPRINTED}{_SHUT}",
    re.IGNORECASE,
)
"""A word for it, and nothing else."""
_NAMED = re.compile(rf"(?i:{_ALONE})|(?:\S*[^A-Za-z\s])?REDACTED(?:[^A-Za-z\s]\S*)?|MASKED|FILTERED|\.{{4,}}|…")
"""The same for names and parts of paths, where `filtered` and `masked` are names like others."""


def _some(word: str) -> str:
    """Somewhere within the brackets that began."""
    return rf"(?={_INSIDE}{{0,60}}(?<![a-z])(?:{word})(?![a-z]))"


_LABEL = (
    "PII|PERSON|(?:[A-Z]+_)?NAME|EMAIL|PHONE|(?:[A-Z]+_)*(?:ADDRESS|NUMBER)|(?:US_)?SSN|CREDIT_CARD|LOCATION|"
    "IBAN(?:_CODE)?|DATE_OF_BIRTH|MASK|REDACT"
)
_HIDDEN = r"(?:\*{3,16}|[•●]{2,16}|[xX#]{4})"
_WITHIN = re.compile(
    rf"(?i:{_OPEN}(?:{_MORE}[ :_-])?(?:{_SURE})(?:[ :,_-]{_MORE})?{_SHUT}"
    rf"|{_OPEN}{_some(_MAYBE)}{_some(_PERSONAL)}{_INSIDE}{{1,60}}{_SHUT}"
    r"|<hidden>|[\[<](?:removed|deleted|suppressed|encrypted|pii)[\]>]"
    # Not of a style sheet, `[hidden] {display: none}`:
    r"|(?<!:not\()\[hidden\](?!\s{0,4}\{|[,:.]\S)"
    rf"|[\[<]{_UNPRINTED}[\]>]|(?:\.{{3}}|…) ?\[?\+?\d+ (?:more )?(?:items?|bytes|chars|characters)|\[object [a-z]+\])"
    r"|\[(?:Object|Array|Circular(?: ?\*\d+)?)\]"
    rf"|\bREDACTED\b|{_OPEN}(?:{_LABEL})(?:[ _-]?\d+)?{_SHUT}"
    r"|(?<![*\w])[^\W\d]{1,3}\*{3,12}(?![*\w])|\w\*{2,16}\w{0,4}@"
    rf"|(?<![\w*•●#]){_HIDDEN}(?:[ -]{_HIDDEN}){{0,3}}[ -]?\d{{2,4}}(?!\w)"
    # Not the bold of Markdown, `**2024** in review`, nor a power, `2 ** 10`:
    r"|(?<![\w*])\*\*(?:\d{2,4}|[ -]\d{4})(?![\w*])(?![^*]{0,99}\*\*)"
)
"""Among other text: `Hi [REDACTED]`, `<masked: name>`, `[email protected]`, `Dear J***`, `Visa •••• 1234`."""
_PIECE = re.compile(r"\d*([*\u00b7\u2022\u25cf\u25aa\u25a0\u25fc\u2588\u2592\u2593\uff0axX#]{2,})\d*|\d{1,8}|\+")
_PLACE = re.compile(r":[A-Za-z_]\w*|\{[^{}/]{0,40}\}|<[^<>/]{0,40}>|\[{1,2}\.{0,3}[A-Za-z_]\w*\]{1,2}|\*")
"""A part of a route, not of an address: `:id`, `{id}`, `<int:id>`, `[slug]`."""
_EXTENSION = re.compile(r"\.\w{2,5}$")
_SPLIT = re.compile(r"[\s\-/.:()]+")


_HINT = re.compile(r"[][<>(){}*…•●▪■◼█▒▓＊·&%]|xx|##|\.\.\.|(?:^|/):")
_HINTS = (
    "redacted", "filtered", "masked", "scrubbed", "sanit", "obfuscated", "nymi", "censored", "truncated", "omitted",
    "elided", "stripped", "withheld", "hidden", "removed", "deleted", "suppressed", "encrypted", "protected", "secret",
    "private", "confidential", "sensitive", "undisclosed", "logged", "pii",
)  # fmt: skip
"""What every mask holds, in lower case: few texts do."""


def may_be_masked(text: str) -> bool:
    """A first look, at a tenth of the cost: False where no part of a text is a mask."""
    folded = text.lower()
    return _HINT.search(folded) is not None or any(hint in folded for hint in _HINTS)


def is_masked(value: Any) -> bool:
    """Whether a value, or one in it however deep, or the name of one, is masked."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            if any(_is_mask(name, _NAMED) for name in each):
                return True
            left += each.values()
        elif isinstance(each, list | tuple):
            left += each
        elif isinstance(each, str):
            if (inner := object_of(each)) is not None:
                left.append(inner)
            elif _is_mask(each, _WHOLE):
                return True
    return False


def is_masked_path(path: str) -> bool:
    """Whether a part of a path is masked, or stands for any."""
    if not may_be_masked(path):
        return False
    parts = {each for part in plain(path).split("/") for each in (part, _EXTENSION.sub("", part))}
    return any(_PLACE.fullmatch(part) or _is_mask(part, _NAMED) for part in parts)


def is_masked_body(body: bytes) -> bool:
    """Whether what a request carried is masked somewhere: JSON, a form, or any text."""
    text = body.decode(errors="replace")
    inner = object_of(text)
    return is_masked(text if inner is None else inner) or (inner is None and any(map(is_masked, _parts(text))))


def _parts(text: str) -> Iterator[str]:
    """The names and values of a form."""
    if text.startswith("--"):
        yield from text.splitlines()
    elif "=" in text and not any(map(str.isspace, text)):
        for pair in text.split("&"):
            yield from pair.split("=", 1)


def object_of(text: str) -> Any:
    """The object or list that a text spells; None for any other."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict | list) else None


def plain(text: str) -> str:
    """A text without the escapes of addresses and HTML, however often it was escaped."""
    for _ in range(3):
        once = html.unescape(unquote_plus(text)) if "%" in text or "&" in text else text
        if once == text:
            break
        text = once
    return text


def _is_mask(text: str, whole: re.Pattern[str]) -> bool:
    if not may_be_masked(text):
        return False
    text = plain(text).strip()
    if _WITHIN.search(text):
        return True
    return len(text) <= _LONGEST and (whole.fullmatch(text) is not None or _is_marks(text))


def _is_marks(text: str) -> bool:
    """Nothing but marks and what they leave of digits, or words with marks in each: `xxxx-1234`, `J*** D***`."""
    words = text.split()
    if any("***" in word for word in words) and all("***" in word or word.isdigit() for word in words):
        return True
    pieces = [_PIECE.fullmatch(piece) for piece in _SPLIT.split(text) if piece]
    if not pieces or not all(pieces):
        return False
    marks = "".join(piece[1] or "" for piece in pieces if piece)
    return len(marks) >= (3 if set(marks) & set("xX#") else 2)
