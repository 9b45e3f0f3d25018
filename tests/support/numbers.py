"""Valid, synthetic identity numbers by serial: the same serial gives the same number."""

from datetime import date

from stdnum.iso7064 import mod_11_2

from app.rules.identifiers import compute_org_code_check_character, compute_uscc_check_character

XUECHENG_REGION = "370403"


def build_uscc(serial: int, authority: str = "9") -> str:
    """Build the unified social credit code of the `serial`-th enterprise (9…) or other body."""
    org_code_body = f"{serial:08d}"
    check_character = compute_org_code_check_character(org_code_body)
    body = f"{authority}1{XUECHENG_REGION}{org_code_body}{check_character}"
    return body + compute_uscc_check_character(body)


def build_resident_id(serial: int, birth_date: date = date(1985, 6, 12)) -> str:
    """Build the resident number of the `serial`-th person born on that day (up to 999)."""
    body = f"{XUECHENG_REGION}{birth_date:%Y%m%d}{serial:03d}"
    return body + str(mod_11_2.calc_check_digit(body))


def build_org_code(serial: int) -> str:
    """Build the organisation code inside `build_uscc(serial)`."""
    return build_uscc(serial)[8:17]


def build_shop_uscc(serial: int) -> str:
    """Build the unified social credit code of the `serial`-th individual business (92…)."""
    body = f"92{build_uscc(serial)[2:17]}"
    return body + compute_uscc_check_character(body)
