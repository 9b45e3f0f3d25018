"""Nobody on a black list is put on a red one (发改财金规〔2017〕1798号)."""

from collections.abc import Iterable
from datetime import date

from app.errors import BlacklistedSubject
from app.rules.status import Term


def require_no_black_entry(term: Term, black_terms: Iterable[Term], today: date) -> None:
    """Refuse a red entry over days on which its subject is, or will be, on a black list.

    Raises:
        BlacklistedSubject: with the first day on which nothing would stand against it, if any.
    """
    conflicting_terms = [
        black
        for black in black_terms
        if not black.void
        and (black.ends_on is None or black.ends_on > today)
        and black.overlaps(term)
    ]
    if conflicting_terms:
        ends = [black.ends_on for black in conflicting_terms if black.ends_on is not None]
        all_end = len(ends) == len(conflicting_terms)
        raise BlacklistedSubject(acceptable_from=max(ends).isoformat() if all_end else None)
