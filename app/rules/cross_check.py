"""The cross-check of red and black lists (发改财金规〔2017〕1798号)."""

from collections.abc import Iterable
from datetime import date

from app.errors import BlacklistedSubject
from app.rules.status import Term


def require_no_black_entry(term: Term, black_terms: Iterable[Term], today: date) -> None:
    """Raise where a red entry overlaps a current or future black entry of its subject.

    Raises:
        BlacklistedSubject: gives the first day without a conflict, if there is one.
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
