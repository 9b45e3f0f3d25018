"""Consistency of a whole catalogue: references between items, and repair rules side by side."""

from collections.abc import Iterable

from app.errors import InvalidPayload, Sentence
from app.rules.law import Catalogue, RepairRule


def require_references_exist(catalogue: Catalogue) -> None:
    """Raise unless every code that an item refers to exists.

    Raises:
        InvalidPayload: codes that do not exist are named.
    """
    missing = {
        *(
            f"domain {item.domain}"
            for item in catalogue.list_types.values()
            if item.domain not in catalogue.domains
        ),
        *(
            f"list type {code}"
            for rule in catalogue.measure_rules.values()
            for code in rule.list_types
            if code not in catalogue.list_types
        ),
        *(
            f"list type {code}"
            for rule in catalogue.repair_rules.values()
            for code in rule.list_types
            if code not in catalogue.list_types
        ),
        *(
            f"measure {rule.measure}"
            for rule in catalogue.measure_rules.values()
            if rule.measure not in catalogue.measures
        ),
        *(
            f"matter {code}"
            for rule in catalogue.measure_rules.values()
            for code in rule.matters
            if code not in catalogue.matters
        ),
        *(
            f"department {body.department}"
            for domain in catalogue.domains.values()
            for body in (*domain.leads, *domain.participants)
            if body.department not in catalogue.departments
        ),
        *(
            f"place {item.place}"
            for item in catalogue.departments.values()
            if item.place is not None and item.place not in catalogue.places
        ),
        *(
            f"department {code}"
            for item in catalogue.departments.values()
            for code in (item.parent, item.successor)
            if code is not None and code not in catalogue.departments
        ),
    }
    if missing:
        named = ", ".join(sorted(missing))
        raise InvalidPayload(
            Sentence(
                f"The catalogue would refer to missing items: {named}", f"目录中不存在：{named}"
            )
        )


def require_no_overlapping_rules(catalogue: Catalogue, loaded_rules: Iterable[RepairRule]) -> None:
    """Raise where a loaded repair rule applies to the same decisions as another rule.

    Raises:
        InvalidPayload: two rules overlap; both are named.
    """
    for rule in loaded_rules:
        for other in catalogue.repair_rules.values():
            if other.code != rule.code and _is_overlapping(rule, other):
                both = f"{rule.code}, {other.code}"
                raise InvalidPayload(
                    Sentence(
                        f"Two repair rules would hold for the same decisions: {both}",
                        f"下列修复规则的适用范围重叠，请限定有效期：{both}",
                    )
                )


def _is_overlapping(rule: RepairRule, other: RepairRule) -> bool:
    both_general = not rule.list_types and not other.list_types
    has_shared_list_types = both_general or bool({*rule.list_types} & {*other.list_types})
    return has_shared_list_types and rule.has_common_day(other)
