"""Catalogue files: reading, and faults of single items."""

from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from app.catalogue.sections import ITEM_CLASSES, build_items_adapter
from app.errors import Fault, InvalidPayload, ProblemCode, SchemaErrorType, Sentence
from app.rules.law import InvestigationBasis, ListType, RepairRule, Span, Validity

SHIPPED_DIRECTORY = Path(__file__).parents[1] / "data"
# A working year and a life. A longer value is a typing error, and no calendar reaches that far.
MAX_WORKING_DAYS = 250
MAX_SPAN_YEARS = 100


@cache
def read_shipped_sections() -> dict[str, tuple[Any, ...]]:
    """Return the sections of the catalogue that ships with this release."""
    shipped: dict[str, tuple[Any, ...]] = {}
    for path in sorted(SHIPPED_DIRECTORY.glob("*.yaml")):
        shipped |= read_sections(path)
    return shipped


def read_sections(path: Path) -> dict[str, tuple[Any, ...]]:
    """Return the sections of a catalogue file, validated by the classes of `app/rules/law.py`.

    Raises:
        InvalidPayload: the file is not YAML, or items have faults; each fault names its place.
    """
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        # ValueError: not UTF-8, or a day that does not exist, such as 2027-02-30.
        raise InvalidPayload(
            Sentence(
                f"{path} cannot be read as YAML, or holds a day that does not exist",
                f"{path} 不是有效的 YAML 文件，或含有不存在的日期",
            )
        ) from error
    if not isinstance(document, dict) or not document.keys() <= ITEM_CLASSES.keys():
        sections = ", ".join(ITEM_CLASSES)
        raise InvalidPayload(
            Sentence(f"A catalogue file has the sections {sections}", f"目录文件应包含：{sections}")
        )
    sections_read: dict[str, tuple[Any, ...]] = {}
    faults: list[Fault] = []
    for section, items in document.items():
        try:
            sections_read[section] = build_items_adapter(section).validate_python(items)
        except ValidationError as wrong:
            faults += [
                Fault(
                    "/".join(["", section, *map(str, found["loc"])]),
                    SchemaErrorType(found["type"]),
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
                f"{pointer}/code",
                ProblemCode.twice,
                Sentence("The code is used twice", "代码重复"),
            )
        seen.add(item.code)
        reference = getattr(item, "legal_reference", None)
        blank = reference is not None and not reference.strip()
        if blank or (reference is None and getattr(item, "in_force", False)):
            yield Fault(
                f"{pointer}/legal_reference",
                ProblemCode.missing,
                Sentence("Nothing is in force without a legal reference", "无法律依据不得施行"),
            )
        if isinstance(item, ListType) and item.code.partition(".")[0] != item.domain:
            yield Fault(
                f"{pointer}/code",
                ProblemCode.wrong_form,
                Sentence(
                    "A list type's code begins with its domain's", "名单类型代码须以领域代码开头"
                ),
            )
        if isinstance(item, InvestigationBasis) and not item.functions:
            yield Fault(
                f"{pointer}/functions",
                ProblemCode.missing,
                Sentence(
                    "Name the functions of the departments that may use the basis",
                    "须列明可援引该依据的部门职能",
                ),
            )
        if isinstance(item, ListType):
            yield from _find_namesake_faults(pointer, item)
        yield from _find_validity_faults(pointer, item)
        yield from _find_span_faults(pointer, item)
        if isinstance(item, RepairRule):
            yield from _find_repair_rule_faults(pointer, item)


def _find_namesake_faults(pointer: str, item: ListType) -> Iterator[Fault]:
    if item.namesake_fields and not (item.namesake_reference or "").strip():
        yield Fault(
            f"{pointer}/namesake_reference",
            ProblemCode.missing,
            Sentence(
                "Sex and age are published only by a law; name it",
                "公布性别、年龄须有法律依据，请填写",
            ),
        )


def _find_validity_faults(pointer: str, item: object) -> Iterator[Fault]:
    if isinstance(item, Validity) and item.first_valid_day > item.last_valid_day:
        yield Fault(
            f"{pointer}/valid_until",
            ProblemCode.dates_out_of_order,
            Sentence("The last day of validity lies before the first", "失效日期早于生效日期"),
        )


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
                ProblemCode.out_of_range,
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
                ProblemCode.missing,
                Sentence(
                    "The rule would allow no repair: it has no class or no means",
                    "未规定任何失信类别或修复方式，无法据此修复",
                ),
            )
    for name, minimum in (("acceptance", 1), ("decision", 1), ("extension", 0)):
        if not minimum <= getattr(rule, f"{name}_working_days") <= MAX_WORKING_DAYS:
            yield Fault(
                f"{pointer}/{name}_working_days",
                ProblemCode.out_of_range,
                Sentence(
                    f"Between {minimum} and {MAX_WORKING_DAYS} working days",
                    f"应为{minimum}至{MAX_WORKING_DAYS}个工作日",
                ),
            )
