"""The body of a push, built from the values of a row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import Fault, ProblemCode, Sentence
from app.rules.decision import PersonRole
from app.rules.identifiers import Scheme
from app.rules.law import SubjectKind
from app.rules.text import normalize_number
from app.submissions.mapping import settlement
from app.submissions.mapping.columns import (
    COLUMNS,
    COMPOSED_POINTERS,
    PERSON_KEY_PREFIXES,
    POINTER_BY_KEY,
)
from app.submissions.mapping.exchange_fields import ANY_ORGANISATION
from app.submissions.mapping.values import OPEN_ENDED, ParsedRow, UnreadableCell


@dataclass(frozen=True, slots=True)
class MappedRow:
    """A row as a body.

    Attributes:
        body: the value for `POST /v1/entries`, not validated yet; unreadable cells are left out.
        faults: unreadable cells by JSON pointers of the body; `/columns/N` for a cell without a
            heading, and "" for the row as a whole.
    """

    body: dict[str, Any]
    faults: list[Fault]
    column_by_pointer: Mapping[str, int]
    """Columns (from 0) by pointer, for the values of this row."""
    default_column_by_pointer: Mapping[str, int]
    """Columns by pointer of the whole table, for values that this row lacks."""

    def find_column(self, pointer: str) -> int | None:
        """Find the column (from 0) that a pointer of the body comes from.

        The longest matching prefix decides; if there is none, the first column below the pointer.
        """
        for pointers in (self.column_by_pointer, self.default_column_by_pointer):
            prefix = pointer
            while prefix:
                if prefix in pointers:
                    return pointers[prefix]
                prefix = prefix.rpartition("/")[0]
        if pointer in self.column_by_pointer:
            return self.column_by_pointer[pointer]
        columns_below = (
            place
            for each, place in self.default_column_by_pointer.items()
            if each.startswith(f"{pointer}/")
        )
        return min(columns_below, default=None) if pointer else None


SCHEME_MISSING = Sentence(
    "Say of which kind the number is, or use the column of its kind",
    "请填写证件类型，或将号码填入对应证件的列",
)
NUMBER_MISSING = Sentence("A kind of number without a number", "已填证件类型，未填证件号码")
NUMBER_MASKED = Sentence(
    "The export shows this number masked: put the whole number in its place",
    "导出文件中的证件号码已遮盖：请补填完整号码",
)
LIST_EXPECTED = Sentence(
    "This column is one of an export, and holds a list: […]",
    "该列为导出文件的列，内容须为列表：[…]",
)
SCHEME_BY_LENGTH: Mapping[int, Scheme] = {
    18: Scheme.uscc,
    15: Scheme.registration_no,
    9: Scheme.org_code,
}
"""Schemes of organisations by the length of the number."""
RESIDENT_ID_LENGTH = 18


class RowBuilder:
    """Builder of the body of one row."""

    def __init__(self, parsed: ParsedRow) -> None:
        self._parsed = parsed
        self._body: dict[str, Any] = {"subject": {}, "decision": {}}
        self._column_by_pointer: dict[str, int] = {}
        self._faults: list[Fault] = []

    def build(self, default_column_by_pointer: Mapping[str, int]) -> MappedRow:
        """Build the body, its faults, and the columns of both."""
        for column in COLUMNS:
            if column.pointer not in COMPOSED_POINTERS:
                self._put_value(column.key, column.pointer)
        for key in ("penalty", "licence"):
            self._put_value(key, f"/{key}")
        self._put_kind()
        self._put_identifiers()
        self._put_persons()
        self._put_remark()
        for pointer, column_index, unreadable in self._parsed.row_faults:
            self._add_fault(pointer, column_index, unreadable)
        self._add_remaining_faults()
        return MappedRow(
            self._body, self._faults, self._column_by_pointer, default_column_by_pointer
        )

    def _add_fault(self, pointer: str, column_index: int, unreadable: UnreadableCell) -> None:
        self._column_by_pointer[pointer] = column_index
        self._faults.append(Fault(pointer, unreadable.code, unreadable.sentence))

    def _add_unreadable_fault(self, key: str, pointer: str) -> bool:
        unreadable = self._parsed.unreadable.pop(key, None)
        if unreadable is not None:
            self._add_fault(pointer, self._parsed.columns[key], unreadable)
        return unreadable is not None

    def _add_remaining_faults(self) -> None:
        for key in list(self._parsed.unreadable):
            column_index = self._parsed.columns[key]
            self._add_unreadable_fault(key, POINTER_BY_KEY.get(key, f"/columns/{column_index + 1}"))

    def _put_value(self, key: str, pointer: str) -> None:
        if self._add_unreadable_fault(key, pointer) or key not in self._parsed.values:
            return
        value = self._parsed.values[key]
        parent_name, _, name = pointer[1:].rpartition("/")
        parent = self._body.setdefault(parent_name, {}) if parent_name else self._body
        if isinstance(parent, dict):  # a part of an export may be a list or a text
            parent[name] = None if value is OPEN_ENDED else value
        if key in self._parsed.columns:
            self._column_by_pointer[pointer] = self._parsed.columns[key]

    def _put_kind(self) -> None:
        if self._add_unreadable_fault("kind", "/subject/kind"):
            return
        parsed = self._parsed
        kind = parsed.values.get("kind")
        if kind == ANY_ORGANISATION:
            kind = settlement.infer_organisation_kind(parsed.values.get("uscc"))
        if kind is not None:
            self._body["subject"]["kind"] = str(kind)
            first_key = next((key for key in ("kind", *Scheme) if key in parsed.columns), None)
            if first_key is not None:
                self._column_by_pointer["/subject/kind"] = parsed.columns[first_key]

    # The subject's numbers

    def _put_identifiers(self) -> None:
        found = [
            ({"scheme": scheme.value, "number": self._parsed.values[scheme]}, scheme.value)
            for scheme in Scheme
            if scheme in self._parsed.values
        ]
        exported = self._parsed.values.get("subject_identifiers")
        if isinstance(exported, list):
            found += [(each, "subject_identifiers") for each in exported]
        elif exported is not None:
            self._parsed.unreadable["subject_identifiers"] = UnreadableCell(
                ProblemCode.malformed_cell, LIST_EXPECTED
            )
        paired = self._build_paired_identifier(
            "identifier", str(self._body["subject"].get("kind", ""))
        )
        if paired is not None:
            found.append((paired, "identifier_number"))
        unmasked = [each for each in found if not _is_masked(each[0])]
        for position, (identifier, key) in enumerate(unmasked):
            self._body["subject"].setdefault("identifiers", []).append(identifier)
            self._column_by_pointer[f"/subject/identifiers/{position}"] = self._parsed.columns[key]
        self._add_identifier_faults(
            len(unmasked), sum(map(_is_masked, (each for each, _ in found)))
        )

    def _add_identifier_faults(self, next_position: int, masked_count: int) -> None:
        """Add faults behind the valid identifiers, so that each pointer has one column."""
        pointer = "/subject/identifiers"
        for _ in range(masked_count):
            column_index = self._parsed.columns["subject_identifiers"]
            unreadable = UnreadableCell(ProblemCode.number_masked, NUMBER_MASKED)
            self._add_fault(f"{pointer}/{next_position}/number", column_index, unreadable)
            next_position += 1
        for key in (*Scheme, "identifier_number", "identifier_scheme", "subject_identifiers"):
            part = "scheme" if key == "identifier_scheme" else "number"
            next_position += self._add_unreadable_fault(key, f"{pointer}/{next_position}/{part}")

    def _build_paired_identifier(self, prefix: str, subject_kind: str) -> dict[str, str] | None:
        """Build an identifier of a number and its scheme, inferred from the length if not given."""
        parsed = self._parsed
        scheme, number = (
            parsed.values.get(f"{prefix}_scheme"),
            parsed.values.get(f"{prefix}_number"),
        )
        if number is None:
            if scheme is not None and f"{prefix}_number" not in parsed.unreadable:
                column_index = parsed.columns[f"{prefix}_scheme"]
                parsed.columns[f"{prefix}_number"] = column_index
                parsed.unreadable[f"{prefix}_number"] = UnreadableCell(
                    ProblemCode.number_missing, NUMBER_MISSING
                )
            return None
        if f"{prefix}_scheme" in parsed.unreadable:
            return None
        resolved_scheme = scheme or _infer_scheme(number, subject_kind)
        if resolved_scheme is None:
            parsed.columns[f"{prefix}_scheme"] = parsed.columns[f"{prefix}_number"]
            parsed.unreadable[f"{prefix}_scheme"] = UnreadableCell(
                ProblemCode.scheme_missing, SCHEME_MISSING
            )
            return None
        return {"scheme": str(resolved_scheme), "number": number}

    # Persons

    def _put_persons(self) -> None:
        exported = self._parsed.values.get("responsible_persons")
        if isinstance(exported, list):
            for each in exported:
                self._put_exported_person(each)
        elif exported is not None:
            self._body["responsible_persons"] = exported
            return
        for prefix in PERSON_KEY_PREFIXES:
            self._put_person(prefix)

    def _build_next_person_pointer(self) -> str:
        return f"/responsible_persons/{len(self._body.get('responsible_persons', []))}"

    def _put_exported_person(self, person: Any) -> None:  # noqa: ANN401 - any JSON value
        pointer, column_index = (
            self._build_next_person_pointer(),
            self._parsed.columns["responsible_persons"],
        )
        self._column_by_pointer[pointer] = column_index
        if isinstance(person, dict) and _is_masked(person.get("identifier")):
            # An export masks it permanently: only the name remains (`own_export.py`).
            person = {name: value for name, value in person.items() if name != "identifier"}
        self._body.setdefault("responsible_persons", []).append(person)

    def _put_person(self, prefix: str) -> None:
        parsed = self._parsed
        is_representative = prefix == "legal_representative"
        name_key = prefix if is_representative else f"{prefix}_name"
        identifier, number_key = self._build_person_identifier(prefix)
        pointer = self._build_next_person_pointer()
        keys = {
            "name": name_key,
            "role": f"{prefix}_role",
            "identifier/scheme": f"{prefix}_scheme",
            "identifier/number": number_key,
        }
        person: dict[str, Any] = {"identifier": identifier} if identifier else {}
        for part in ("name", "role"):
            if keys[part] in parsed.values:
                person[part] = parsed.values[keys[part]]
        if is_representative and person:
            person["role"] = self._determine_representative_role()
        for part, key in keys.items():
            if key in parsed.columns:
                self._column_by_pointer[f"{pointer}/{part}"] = parsed.columns[key]
                self._column_by_pointer.setdefault(pointer, parsed.columns[key])
        has_faults = [
            self._add_unreadable_fault(key, f"{pointer}/{part}") for part, key in keys.items()
        ]
        if person or any(has_faults):
            # Even an empty person is kept: it preserves the positions of the following ones.
            self._body.setdefault("responsible_persons", []).append(person)

    def _build_person_identifier(self, prefix: str) -> tuple[dict[str, str] | None, str]:
        parsed = self._parsed
        resident_key = f"{prefix}_resident_id"  # CF_FR_SFZH
        if resident_key in parsed.unreadable or (
            resident_key in parsed.values and f"{prefix}_number" not in parsed.values
        ):
            number = parsed.values.get(resident_key)
            identifier = {"scheme": Scheme.resident_id.value, "number": number} if number else None
            return identifier, resident_key
        return self._build_paired_identifier(prefix, SubjectKind.natural_person), f"{prefix}_number"

    def _determine_representative_role(self) -> str:
        """Return the role of the representative: of an individual business, its owner (双公示)."""
        is_individual_business = (
            self._body["subject"].get("kind") == SubjectKind.individual_business
        )
        return str(
            PersonRole.business_owner if is_individual_business else PersonRole.legal_representative
        )

    # The remark

    def _put_remark(self) -> None:
        self._put_value("remark", "/remark")
        parsed = self._parsed
        if not parsed.notes:
            return
        own_remark = str(self._body.get("remark", ""))
        own_sentence = (
            own_remark
            if not own_remark or own_remark.endswith(tuple("；;。.！!"))
            else f"{own_remark}；"
        )
        notes = "".join(f"{label}：{text}；" for label, text, _ in parsed.notes)
        self._body["remark"] = own_sentence + notes
        self._column_by_pointer.setdefault("/remark", parsed.notes[0][2])


def _is_masked(identifier: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(identifier, dict) and "masked" in identifier


def _infer_scheme(number: str, subject_kind: str) -> Scheme | None:
    """Infer the scheme of a number from the kind of the subject and the length; None if unclear."""
    normalized = normalize_number(number)
    if subject_kind == SubjectKind.natural_person:
        if len(normalized) != RESIDENT_ID_LENGTH:
            return None
        is_foreign = normalized.startswith("9")
        return Scheme.foreign_permanent_resident if is_foreign else Scheme.resident_id
    return SCHEME_BY_LENGTH.get(len(normalized)) if subject_kind else None
