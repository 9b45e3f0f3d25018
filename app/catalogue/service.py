"""Changing the law in the registry: the shipped law, files, enabling a list type, departments.

Each makes a whole new version; entries and checks name the version that they were decided by.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from app.audit import store as audit
from app.calendar.notices import announced_years, statutory_years
from app.catalogue import store
from app.db.engines import Connection
from app.errors import Fault, InvalidPayload, Sentence
from app.registry import Registry, begin_counting
from app.rules.law import Catalogue, Department, Level, ListType, RepairRule, Span, Validity
from app.rules.permissions import COMMAND_LINE

SHIPPED = Path(__file__).parent / "data"
DEPARTMENT_CODE = re.compile(r"[a-z0-9_]{1,60}")
# As far ahead as entries need deadlines; each year gives way to its notice when it comes.
STATUTORY_YEARS = 10
# A working year and a life: what is longer is a slip of the pen, and no calendar would reach it.
MOST_WORKING_DAYS = 250
MOST_YEARS = 100


def initialise(registry: Registry) -> None:
    """Give an empty database its counters, its keys, the shipped law and the calendar.

    Raises:
        SecretKeyMismatch: the database was sealed with another key file.
    """

    def work(connection: Connection) -> None:
        registry.adopt_keys(connection)
        if not begin_counting(connection):
            return
        catalogue = store.merged(Catalogue(), _read_shipped())
        _add(registry, connection, catalogue, "catalogue_loaded", "shipped with the app")
        announced = announced_years()
        last = max(year.year for year in announced)
        years = [*announced, *statutory_years(last + 1, last + STATUTORY_YEARS)]
        store.add_calendar_version(
            connection,
            years,
            at=registry.clock.now(),
            actor=COMMAND_LINE.name,
            note="shipped with the app",
        )

    registry.write(work)


def complete(registry: Registry) -> None:
    """Give a database that an earlier release made what the law shipped with this one adds.

    Items whose code is missing are added: nothing takes an item out of the catalogue, so what is
    missing was not there yet. Of items that are there, only the fields that did not exist when they
    were kept take the shipped value; whatever an operator wrote stays. Where nothing is missing, or
    another process was first, no version is made.
    """
    shipped = _read_shipped()
    with registry.database.reading() as connection:
        present = store.current_catalogue(registry, connection)
        if not store.additions(connection, present, shipped):
            return

    def work(connection: Connection) -> None:
        present = store.current_catalogue(registry, connection)
        if added := store.additions(connection, present, shipped):
            catalogue = store.merged(present, added)
            note = "completed by a newer release"
            _add(registry, connection, catalogue, "catalogue_completed", note)

    registry.write(work)


@cache
def _read_shipped() -> dict[str, tuple[Any, ...]]:
    shipped: dict[str, tuple[Any, ...]] = {}
    for path in sorted(SHIPPED.glob("*.yaml")):
        shipped |= read_sections(path)
    return shipped


def read_sections(path: Path) -> dict[str, tuple[Any, ...]]:
    """The sections of a catalogue file, checked against the schema (`app/rules/law.py`).

    Raises:
        InvalidPayload: the file is no YAML, or has faults; each is named with its place.
    """
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as unreadable:
        # A plain ValueError: it is no UTF-8, or holds a day that there is not, such as 2027-02-30.
        raise InvalidPayload(
            Sentence(
                f"{path} cannot be read as YAML, or holds a day that does not exist",
                f"{path} 不是有效的 YAML 文件，或含有不存在的日期",
            )
        ) from unreadable
    if not isinstance(document, dict) or not document.keys() <= store.ITEM_CLASSES.keys():
        sections = ", ".join(store.ITEM_CLASSES)
        raise InvalidPayload(
            Sentence(f"A catalogue file has the sections {sections}", f"目录文件应包含：{sections}")
        )
    read: dict[str, tuple[Any, ...]] = {}
    faults: list[Fault] = []
    for section, items in document.items():
        try:
            read[section] = store.items_adapter(section).validate_python(items)
        except ValidationError as wrong:
            faults += [
                Fault(
                    "/".join(["", section, *map(str, found["loc"])]),
                    found["type"],
                    Sentence(found["msg"], found["msg"]),
                )
                for found in wrong.errors(include_input=False, include_url=False)
            ]
        else:
            faults += _item_faults(section, read[section])
    if faults:
        raise InvalidPayload(faults=faults)
    return read


def _item_faults(section: str, items: tuple[Any, ...]) -> Iterator[Fault]:
    seen: set[str] = set()
    for position, item in enumerate(items):
        place = f"/{section}/{position}"
        if item.code in seen:
            yield Fault(
                f"{place}/code", "twice", Sentence("The code stands here twice", "代码重复")
            )
        seen.add(item.code)
        reference = getattr(item, "legal_reference", None)
        blank = reference is not None and not reference.strip()
        if blank or (reference is None and getattr(item, "in_force", False)):
            yield Fault(
                f"{place}/legal_reference",
                "missing",
                Sentence("Nothing is in force without a legal reference", "无法律依据不得施行"),
            )
        if isinstance(item, ListType) and item.code.partition(".")[0] != item.domain:
            yield Fault(
                f"{place}/code",
                "wrong_form",
                Sentence(
                    "A list type's code begins with its domain's", "名单类型代码须以领域代码开头"
                ),
            )
        yield from _validity_faults(place, item)
        yield from _span_faults(place, item)
        if isinstance(item, RepairRule):
            yield from _repair_faults(place, item)


def _validity_faults(place: str, item: object) -> Iterator[Fault]:
    if isinstance(item, Validity) and _first_day(item) > _last_day(item):
        yield Fault(
            f"{place}/valid_until",
            "dates_out_of_order",
            Sentence("The last day of validity lies before the first", "失效日期早于生效日期"),
        )


def _first_day(item: Validity) -> date:
    return item.valid_from or date.min


def _last_day(item: Validity) -> date:
    return item.valid_until or date.max


def _span_faults(place: str, item: Any) -> Iterator[Fault]:  # noqa: ANN401 - of any section
    spans = {field.name: getattr(item, field.name) for field in fields(item)}
    if isinstance(item, RepairRule):
        spans = {f"minimum/{severity}": span for severity, span in item.minimum.items()}
    for name, span in spans.items():
        if isinstance(span, Span) and not (
            0 <= span.years <= MOST_YEARS and 0 <= span.months <= 12 * MOST_YEARS
        ):
            yield Fault(
                f"{place}/{name}",
                "out_of_range",
                Sentence(
                    f"A span is not negative, and at most {MOST_YEARS} years long",
                    f"期限不得为负数，且不超过{MOST_YEARS}年",
                ),
            )


def _repair_faults(place: str, rule: RepairRule) -> Iterator[Fault]:
    for name in ("minimum", "means"):
        if not getattr(rule, name):
            yield Fault(
                f"{place}/{name}",
                "missing",
                Sentence(
                    "By this rule nobody could repair anything: it names no class or no means",
                    "未规定任何失信类别或修复方式，无法据此修复",
                ),
            )
    for name, least in (("acceptance", 1), ("decision", 1), ("extension", 0)):
        if not least <= getattr(rule, f"{name}_working_days") <= MOST_WORKING_DAYS:
            yield Fault(
                f"{place}/{name}_working_days",
                "out_of_range",
                Sentence(
                    f"Between {least} and {MOST_WORKING_DAYS} working days",
                    f"应为{least}至{MOST_WORKING_DAYS}个工作日",
                ),
            )


def load_file(registry: Registry, path: Path) -> int:
    """Put a file's items into the catalogue, by code; return the new version.

    Raises:
        InvalidPayload: the file has faults, names what does not exist, or has a repair rule for
            decisions that another one is for.
    """
    sections = read_sections(path)

    def put_in(catalogue: Catalogue) -> Catalogue:
        changed = store.merged(catalogue, sections)
        _require_one_rule_a_day(changed, sections.get("repair_rules", ()))
        return changed

    return _change(registry, put_in, "catalogue_loaded", f"file {path.name}")


def _require_one_rule_a_day(catalogue: Catalogue, loaded: Iterable[RepairRule]) -> None:
    for rule in loaded:
        for other in catalogue.repair_rules.values():
            if other.code != rule.code and _compete(rule, other):
                both = f"{rule.code}, {other.code}"
                raise InvalidPayload(
                    Sentence(
                        f"Two repair rules would hold for the same decisions: {both}",
                        f"下列修复规则的适用范围重叠，请限定有效期：{both}",
                    )
                )


def _compete(rule: RepairRule, other: RepairRule) -> bool:
    both_general = not rule.list_types and not other.list_types
    shared = both_general or bool({*rule.list_types} & {*other.list_types})
    apart = _last_day(rule) < _first_day(other) or _last_day(other) < _first_day(rule)
    return shared and not apart


def enable(registry: Registry, code: str, legal_reference: str) -> int:
    """Put a list type in force on a legal reference; return the new version.

    Raises:
        InvalidPayload: there is no such list type, or the reference is blank.
    """

    def put_in_force(catalogue: Catalogue) -> Catalogue:
        list_type = catalogue.list_types.get(code)
        if list_type is None or not legal_reference.strip():
            raise InvalidPayload(
                Sentence(
                    f"Needed: an existing list type (not {code}?) and its legal reference",
                    f"须给出已有的名单类型（{code}?）及其法律依据",
                )
            )
        enabled = replace(
            list_type,
            legal_reference=legal_reference.strip(),
            in_force=True,
            note="enabled by an operator",
        )
        return store.merged(catalogue, {"list_types": (enabled,)})

    return _change(registry, put_in_force, "list_type_enabled", f"{code}: {legal_reference}")


def require_department(registry: Registry, named: str) -> str:
    """The code of the department with that code, name or alias.

    Raises:
        InvalidPayload: there is none.
    """
    with registry.database.reading() as connection:
        found = store.current_catalogue(registry, connection).department_named(named)
    if found is None:
        raise InvalidPayload(
            Sentence(
                f"There is no department {named}; add it with: redblack departments add",
                f"目录中没有部门 {named}；请先用 redblack departments add 添加",
            )
        )
    return found.code


def add_department(registry: Registry, code: str, name: str, parent: str | None) -> int:
    """Add a body below another one (with its functions, at county level) or beside the plan's.

    Raises:
        InvalidPayload: the code is taken or of the wrong form, or there is no such parent.
    """
    if not DEPARTMENT_CODE.fullmatch(code) or not name.strip():
        raise InvalidPayload(
            Sentence(
                "A department has a name, and a code of small letters, digits and _",
                "须填写部门名称；代码只含小写字母、数字和下划线",
            )
        )

    def add(catalogue: Catalogue) -> Catalogue:
        above = catalogue.department_named(parent) if parent else None
        if code in catalogue.departments or (parent and above is None):
            raise InvalidPayload(
                Sentence(
                    f"{code} is taken, or there is no department {parent}",
                    f"代码 {code} 已存在，或没有部门 {parent}",
                )
            )
        department = Department(
            code=code,
            name=name,
            parent=above.code if above else None,
            functions=above.functions if above else (),
            level=Level.county if above else Level.city,
        )
        return store.merged(catalogue, {"departments": (department,)})

    return _change(registry, add, "department_added", f"{code} {name}")


def _change(
    registry: Registry, alter: Callable[[Catalogue], Catalogue], action: str, note: str
) -> int:
    # Else the new version would be kept with every field of today, and nothing seem to be missing.
    complete(registry)

    def work(connection: Connection) -> int:
        catalogue = alter(store.current_catalogue(registry, connection))
        _require_whole(catalogue)
        return _add(registry, connection, catalogue, action, note)

    return registry.write(work)


def _add(
    registry: Registry, connection: Connection, catalogue: Catalogue, action: str, note: str
) -> int:
    at = registry.clock.now()
    version = store.add_catalogue_version(
        connection, catalogue, at=at, actor=COMMAND_LINE.name, note=note
    )
    record = audit.row(COMMAND_LINE, at, action, "done", f"catalogue/{version}", note=note)
    audit.record_changes(connection, [record])
    return version


def _require_whole(catalogue: Catalogue) -> None:
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
            Sentence(f"The catalogue would name what it lacks: {named}", f"目录中不存在：{named}")
        )
