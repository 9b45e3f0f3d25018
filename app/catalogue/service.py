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
from app.calendar.notices import build_statutory_years, read_announced_years
from app.catalogue import store
from app.db.engines import Connection
from app.errors import Fault, InvalidPayload, Sentence
from app.registry import Registry, begin_counting
from app.rules.law import Catalogue, Department, Level, ListType, RepairRule, Span, Validity
from app.rules.permissions import COMMAND_LINE_CALLER

SHIPPED_DIRECTORY = Path(__file__).parent / "data"
DEPARTMENT_CODE = re.compile(r"[a-z0-9_]{1,60}")
# As far ahead as entries need deadlines; each year gives way to its notice when it comes.
STATUTORY_YEARS = 10
# A working year and a life: what is longer is a slip of the pen, and no calendar would reach it.
MAX_WORKING_DAYS = 250
MAX_SPAN_YEARS = 100


def initialize_registry(registry: Registry) -> None:
    """Give an empty database its counters, its keys, the shipped law and the calendar.

    Raises:
        SecretKeyMismatch: the database was sealed with another key file.
    """

    def work(connection: Connection) -> None:
        registry.adopt_keys(connection)
        if not begin_counting(connection):
            return
        catalogue = store.merge_sections(Catalogue(), _read_shipped())
        _record_catalogue_version(
            registry, connection, catalogue, "catalogue_loaded", "shipped with the app"
        )
        announced = read_announced_years()
        last = max(year.year for year in announced)
        years = [*announced, *build_statutory_years(last + 1, last + STATUTORY_YEARS)]
        store.add_calendar_version(
            connection,
            years,
            at=registry.clock.now(),
            actor=COMMAND_LINE_CALLER.name,
            note="shipped with the app",
        )

    registry.write(work)


def add_missing_shipped_items(registry: Registry) -> None:
    """Give a database that an earlier release made what the law shipped with this one adds.

    Items whose code is missing are added: nothing takes an item out of the catalogue, so what is
    missing was not there yet. Of items that are there, only the fields that did not exist when they
    were kept take the shipped value; whatever an operator wrote stays. Where nothing is missing, or
    another process was first, no version is made.
    """
    shipped = _read_shipped()
    with registry.database.reading() as connection:
        present = store.read_current_catalogue(registry, connection)
        if not store.find_missing_items(connection, present, shipped):
            return

    def work(connection: Connection) -> None:
        present = store.read_current_catalogue(registry, connection)
        if added := store.find_missing_items(connection, present, shipped):
            catalogue = store.merge_sections(present, added)
            note = "completed by a newer release"
            _record_catalogue_version(registry, connection, catalogue, "catalogue_completed", note)

    registry.write(work)


@cache
def _read_shipped() -> dict[str, tuple[Any, ...]]:
    shipped: dict[str, tuple[Any, ...]] = {}
    for path in sorted(SHIPPED_DIRECTORY.glob("*.yaml")):
        shipped |= read_sections(path)
    return shipped


def read_sections(path: Path) -> dict[str, tuple[Any, ...]]:
    """The sections of a catalogue file, checked against the schema (`app/rules/law.py`).

    Raises:
        InvalidPayload: the file is no YAML, or has faults; each is named with its place.
    """
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        # A plain ValueError: it is no UTF-8, or holds a day that there is not, such as 2027-02-30.
        raise InvalidPayload(
            Sentence(
                f"{path} cannot be read as YAML, or holds a day that does not exist",
                f"{path} 不是有效的 YAML 文件，或含有不存在的日期",
            )
        ) from error
    if not isinstance(document, dict) or not document.keys() <= store.ITEM_CLASSES.keys():
        sections = ", ".join(store.ITEM_CLASSES)
        raise InvalidPayload(
            Sentence(f"A catalogue file has the sections {sections}", f"目录文件应包含：{sections}")
        )
    sections_read: dict[str, tuple[Any, ...]] = {}
    faults: list[Fault] = []
    for section, items in document.items():
        try:
            sections_read[section] = store.build_items_adapter(section).validate_python(items)
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
            faults += _find_item_faults(section, sections_read[section])
    if faults:
        raise InvalidPayload(faults=faults)
    return sections_read


def _find_item_faults(section: str, items: tuple[Any, ...]) -> Iterator[Fault]:
    seen: set[str] = set()
    for position, item in enumerate(items):
        pointer = f"/{section}/{position}"
        if item.code in seen:
            yield Fault(
                f"{pointer}/code", "twice", Sentence("The code stands here twice", "代码重复")
            )
        seen.add(item.code)
        reference = getattr(item, "legal_reference", None)
        blank = reference is not None and not reference.strip()
        if blank or (reference is None and getattr(item, "in_force", False)):
            yield Fault(
                f"{pointer}/legal_reference",
                "missing",
                Sentence("Nothing is in force without a legal reference", "无法律依据不得施行"),
            )
        if isinstance(item, ListType) and item.code.partition(".")[0] != item.domain:
            yield Fault(
                f"{pointer}/code",
                "wrong_form",
                Sentence(
                    "A list type's code begins with its domain's", "名单类型代码须以领域代码开头"
                ),
            )
        yield from _find_validity_faults(pointer, item)
        yield from _find_span_faults(pointer, item)
        if isinstance(item, RepairRule):
            yield from _find_repair_rule_faults(pointer, item)


def _find_validity_faults(pointer: str, item: object) -> Iterator[Fault]:
    if isinstance(item, Validity) and _get_first_valid_day(item) > _get_last_valid_day(item):
        yield Fault(
            f"{pointer}/valid_until",
            "dates_out_of_order",
            Sentence("The last day of validity lies before the first", "失效日期早于生效日期"),
        )


def _get_first_valid_day(item: Validity) -> date:
    return item.valid_from or date.min


def _get_last_valid_day(item: Validity) -> date:
    return item.valid_until or date.max


def _find_span_faults(pointer: str, item: Any) -> Iterator[Fault]:  # noqa: ANN401 - of any section
    spans = {field.name: getattr(item, field.name) for field in fields(item)}
    if isinstance(item, RepairRule):
        spans = {f"minimum/{severity}": span for severity, span in item.minimum.items()}
    for name, span in spans.items():
        if isinstance(span, Span) and not (
            0 <= span.years <= MAX_SPAN_YEARS and 0 <= span.months <= 12 * MAX_SPAN_YEARS
        ):
            yield Fault(
                f"{pointer}/{name}",
                "out_of_range",
                Sentence(
                    f"A span is not negative, and at most {MAX_SPAN_YEARS} years long",
                    f"期限不得为负数，且不超过{MAX_SPAN_YEARS}年",
                ),
            )


def _find_repair_rule_faults(pointer: str, rule: RepairRule) -> Iterator[Fault]:
    for name in ("minimum", "means"):
        if not getattr(rule, name):
            yield Fault(
                f"{pointer}/{name}",
                "missing",
                Sentence(
                    "By this rule nobody could repair anything: it names no class or no means",
                    "未规定任何失信类别或修复方式，无法据此修复",
                ),
            )
    for name, minimum in (("acceptance", 1), ("decision", 1), ("extension", 0)):
        if not minimum <= getattr(rule, f"{name}_working_days") <= MAX_WORKING_DAYS:
            yield Fault(
                f"{pointer}/{name}_working_days",
                "out_of_range",
                Sentence(
                    f"Between {minimum} and {MAX_WORKING_DAYS} working days",
                    f"应为{minimum}至{MAX_WORKING_DAYS}个工作日",
                ),
            )


def load_catalogue_file(registry: Registry, path: Path) -> int:
    """Put a file's items into the catalogue, by code; return the new version.

    Raises:
        InvalidPayload: the file has faults, names what does not exist, or has a repair rule for
            decisions that another one is for.
    """
    sections = read_sections(path)

    def merge_file(catalogue: Catalogue) -> Catalogue:
        changed = store.merge_sections(catalogue, sections)
        _require_no_overlapping_rules(changed, sections.get("repair_rules", ()))
        return changed

    return _update_catalogue(registry, merge_file, "catalogue_loaded", f"file {path.name}")


def _require_no_overlapping_rules(catalogue: Catalogue, loaded_rules: Iterable[RepairRule]) -> None:
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
    has_separate_validity = _get_last_valid_day(rule) < _get_first_valid_day(
        other
    ) or _get_last_valid_day(other) < _get_first_valid_day(rule)
    return has_shared_list_types and not has_separate_validity


def put_list_type_in_force(registry: Registry, code: str, legal_reference: str) -> int:
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
        return store.merge_sections(catalogue, {"list_types": (enabled,)})

    return _update_catalogue(
        registry, put_in_force, "list_type_enabled", f"{code}: {legal_reference}"
    )


def require_department_code(registry: Registry, name_or_code: str) -> str:
    """The code of the department with that code, name or alias.

    Raises:
        InvalidPayload: there is none.
    """
    with registry.database.reading() as connection:
        found = store.read_current_catalogue(registry, connection).find_department(name_or_code)
    if found is None:
        raise InvalidPayload(
            Sentence(
                f"There is no department {name_or_code}; add it with: redblack departments add",
                f"目录中没有部门 {name_or_code}；请先用 redblack departments add 添加",
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
        parent_department = catalogue.find_department(parent) if parent else None
        if code in catalogue.departments or (parent and parent_department is None):
            raise InvalidPayload(
                Sentence(
                    f"{code} is taken, or there is no department {parent}",
                    f"代码 {code} 已存在，或没有部门 {parent}",
                )
            )
        department = Department(
            code=code,
            name=name,
            parent=parent_department.code if parent_department else None,
            functions=parent_department.functions if parent_department else (),
            level=Level.county if parent_department else Level.city,
        )
        return store.merge_sections(catalogue, {"departments": (department,)})

    return _update_catalogue(registry, add, "department_added", f"{code} {name}")


def _update_catalogue(
    registry: Registry, transform: Callable[[Catalogue], Catalogue], action: str, note: str
) -> int:
    # Else the new version would be kept with every field of today, and nothing seem to be missing.
    add_missing_shipped_items(registry)

    def work(connection: Connection) -> int:
        catalogue = transform(store.read_current_catalogue(registry, connection))
        _require_references_exist(catalogue)
        return _record_catalogue_version(registry, connection, catalogue, action, note)

    return registry.write(work)


def _record_catalogue_version(
    registry: Registry, connection: Connection, catalogue: Catalogue, action: str, note: str
) -> int:
    at = registry.clock.now()
    version = store.add_catalogue_version(
        connection, catalogue, at=at, actor=COMMAND_LINE_CALLER.name, note=note
    )
    record = audit.row(COMMAND_LINE_CALLER, at, action, "done", f"catalogue/{version}", note=note)
    audit.record_changes(connection, [record])
    return version


def _require_references_exist(catalogue: Catalogue) -> None:
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
