"""Valid numbers in any quantity, made by the sums of the standards."""

from app.rules.identifiers import org_code_check, uscc_check

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def uscc(serial: int, kind: str = "91") -> str:
    """A unified social credit code of an organisation in Zaozhuang."""
    inner = f"MA3{serial:05d}"
    body = f"{kind}370403{inner}{org_code_check(inner)}"
    return body + uscc_check(body)


def org_code(serial: int) -> str:
    """The organisation code inside `uscc(serial)`."""
    return uscc(serial)[8:17]


def resident_id(serial: int, born: str = "19850612") -> str:
    """A resident id of somebody born on that day (GB 11643, its own sum written out)."""
    body = f"370402{born}{serial:03d}"
    total = sum(int(digit) * weight for digit, weight in zip(body, WEIGHTS, strict=True))
    return body + "10X98765432"[total % 11]
