"""The language rules of docs/CONTRIBUTING.md as lists: words, first words and names to avoid."""

import re
from collections.abc import Iterator

CODE = re.compile(r"`[^`]*`")

ARCHAIC_WORDS = frozenset(
    """
    albeit amidst anew aught besides bestow betwixt borne ere forthwith hence henceforth hereby
    herein heretofore hereupon hither hitherto lest nought oft seldom thence thereby therein thereof
    thereupon thither thus told unto upon whence whereby wherefore wherein whereof whereupon whilst
    whither whom
    """.split()  # noqa: SIM905 - a list of forty strings is harder to read
)
"""Words that are rare in modern technical English; most readers would look them up."""

DOCSTRING_STOP = re.compile(r"(?:what|who|whom|whose|how|where|whether)\b", re.IGNORECASE)
"""First words of a relative clause without a noun."""

PUBLIC_NAME_STOP = re.compile(
    r"(?:anew|lest|let|longest|most|said|say|such|tell|told|whom|whose|written)(?:_|$)"
)
"""First words that public functions and methods do not have: they hide the effect."""


def find_archaic_words(text: str) -> Iterator[tuple[int, str]]:
    """Yield each archaic word with its line number; names in backticks do not count."""
    for number, line in enumerate(text.splitlines(), start=1):
        for word in re.findall(r"[A-Za-z]+", CODE.sub("", line)):
            if word.lower() in ARCHAIC_WORDS:
                yield number, word
