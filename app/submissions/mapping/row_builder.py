"""What the cells of a row say, put together to the body of a push."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import Fault, Sentence
from app.rules.admission import PersonRole
from app.rules.identifiers import Scheme, normalize_number
from app.rules.law import SubjectKind
from app.submissions.mapping import exchange_fields
from app.submissions.mapping.columns import COLUMNS, ELSEWHERE, PERSONS, POINTERS
from app.submissions.mapping.exchange_fields import ORGANISATION
from app.submissions.mapping.values import OPEN, Said, Unreadable


@dataclass(frozen=True, slots=True)
class Row:
    """What a row became.

    Attributes:
        body: what `POST /v1/entries` takes, to be checked as such; a cell that could not be read is
            left out.
        faults: what could not be read, by JSON pointers of the body; `/columns/N` for a cell below
            no heading, and "" for the row as such.
    """

    body: dict[str, Any]
    faults: list[Fault]
    sources: Mapping[str, int]
    """Pointers of this row, and the columns (from 0) that they came from."""
    usual: Mapping[str, int]
    """The same of the whole table, for what this row leaves out."""

    def column_of(self, pointer: str) -> int | None:
        """The column (from 0) that a place in the body came from, or would have.

        The longest pointer that leads there; else the first column below it.
        """
        for pointers in (self.sources, self.usual):
            above = pointer
            while above:
                if above in pointers:
                    return pointers[above]
                above = above.rpartition("/")[0]
        if pointer in self.sources:
            return self.sources[pointer]
        below = (place for each, place in self.usual.items() if each.startswith(f"{pointer}/"))
        return min(below, default=None) if pointer else None


SCHEME_MISSING = Sentence(
    "Say of which kind the number is, or use the column of its kind",
    "请填写证件类型，或将号码填入对应证件的列",
)
NUMBER_MISSING = Sentence("A kind of number without a number", "已填证件类型，未填证件号码")
MASKED = Sentence(
    "The export shows this number masked: put the whole number in its place",
    "导出文件中的证件号码已遮盖：请补填完整号码",
)
NO_LIST = Sentence(
    "This column is one of an export, and holds a list: […]",
    "该列为导出文件的列，内容须为列表：[…]",
)
LENGTHS: Mapping[int, Scheme] = {
    18: Scheme.uscc,
    15: Scheme.registration_no,
    9: Scheme.org_code,
}
"""An organisation's number says by its length which it is."""
RESIDENT_LENGTH = 18


class Assembly:
    """Puts together what a row says."""

    def __init__(self, said: Said) -> None:
        self._said = said
        self._body: dict[str, Any] = {"subject": {}, "decision": {}}
        self._sources: dict[str, int] = {}
        self._faults: list[Fault] = []

    def row(self, usual: Mapping[str, int]) -> Row:
        """The body, what is wrong, and where all of it came from."""
        for column in COLUMNS:
            if column.pointer not in ELSEWHERE:
                self._put_plain(column.key, column.pointer)
        for key in ("penalty", "licence"):
            self._put_plain(key, f"/{key}")
        self._put_kind()
        self._put_identifiers()
        self._put_persons()
        self._put_remark()
        for pointer, place, unreadable in self._said.refused:
            self._refuse(pointer, place, unreadable)
        self._refuse_the_rest()
        return Row(self._body, self._faults, self._sources, usual)

    def _refuse(self, pointer: str, place: int, unreadable: Unreadable) -> None:
        self._sources[pointer] = place
        self._faults.append(Fault(pointer, unreadable.code, unreadable.sentence))

    def _refuse_unread(self, key: str, pointer: str) -> bool:
        unreadable = self._said.unread.pop(key, None)
        if unreadable is not None:
            self._refuse(pointer, self._said.places[key], unreadable)
        return unreadable is not None

    def _refuse_the_rest(self) -> None:
        for key in list(self._said.unread):
            place = self._said.places[key]
            self._refuse_unread(key, POINTERS.get(key, f"/columns/{place + 1}"))

    def _put_plain(self, key: str, pointer: str) -> None:
        if self._refuse_unread(key, pointer) or key not in self._said.values:
            return
        value = self._said.values[key]
        part, _, name = pointer[1:].rpartition("/")
        whole = self._body.setdefault(part, {}) if part else self._body
        if isinstance(whole, dict):  # a part may have come whole, from an export
            whole[name] = None if value is OPEN else value
        if key in self._said.places:
            self._sources[pointer] = self._said.places[key]

    def _put_kind(self) -> None:
        if self._refuse_unread("kind", "/subject/kind"):
            return
        said = self._said
        kind = said.values.get("kind")
        if kind == ORGANISATION:
            kind = exchange_fields.kind_of(said.values.get("uscc"))
        if kind is not None:
            self._body["subject"]["kind"] = str(kind)
            first = next((key for key in ("kind", *Scheme) if key in said.places), None)
            if first is not None:
                self._sources["/subject/kind"] = said.places[first]

    # The subject's numbers

    def _put_identifiers(self) -> None:
        found = [
            ({"scheme": scheme.value, "number": self._said.values[scheme]}, scheme.value)
            for scheme in Scheme
            if scheme in self._said.values
        ]
        exported = self._said.values.get("subject_identifiers")
        if isinstance(exported, list):
            found += [(each, "subject_identifiers") for each in exported]
        elif exported is not None:
            self._said.unread["subject_identifiers"] = Unreadable("malformed_cell", NO_LIST)
        pair = self._pair("identifier", str(self._body["subject"].get("kind", "")))
        if pair is not None:
            found.append((pair, "identifier_number"))
        whole = [each for each in found if not _masked(each[0])]
        for position, (identifier, key) in enumerate(whole):
            self._body["subject"].setdefault("identifiers", []).append(identifier)
            self._sources[f"/subject/identifiers/{position}"] = self._said.places[key]
        self._refuse_identifiers(len(whole), sum(map(_masked, (each for each, _ in found))))

    def _refuse_identifiers(self, following: int, masked: int) -> None:
        """Name what is wrong behind the good ones, so that each pointer is one column's."""
        pointer = "/subject/identifiers"
        for _ in range(masked):
            place = self._said.places["subject_identifiers"]
            unreadable = Unreadable("number_masked", MASKED)
            self._refuse(f"{pointer}/{following}/number", place, unreadable)
            following += 1
        for key in (*Scheme, "identifier_number", "identifier_scheme", "subject_identifiers"):
            part = "scheme" if key == "identifier_scheme" else "number"
            following += self._refuse_unread(key, f"{pointer}/{following}/{part}")

    def _pair(self, prefix: str, kind: str) -> dict[str, str] | None:
        """A number and its kind, which the number's length may tell."""
        said = self._said
        scheme, number = said.values.get(f"{prefix}_scheme"), said.values.get(f"{prefix}_number")
        if number is None:
            if scheme is not None and f"{prefix}_number" not in said.unread:
                place = said.places[f"{prefix}_scheme"]
                said.places[f"{prefix}_number"] = place
                said.unread[f"{prefix}_number"] = Unreadable("number_missing", NUMBER_MISSING)
            return None
        if f"{prefix}_scheme" in said.unread:
            return None
        told = scheme or _scheme_told(number, kind)
        if told is None:
            said.places[f"{prefix}_scheme"] = said.places[f"{prefix}_number"]
            said.unread[f"{prefix}_scheme"] = Unreadable("scheme_missing", SCHEME_MISSING)
            return None
        return {"scheme": str(told), "number": number}

    # Persons

    def _put_persons(self) -> None:
        exported = self._said.values.get("responsible_persons")
        if isinstance(exported, list):
            for each in exported:
                self._put_exported_person(each)
        elif exported is not None:
            self._body["responsible_persons"] = exported
            return
        for prefix in PERSONS:
            self._put_person(prefix)

    def _next_person(self) -> str:
        return f"/responsible_persons/{len(self._body.get('responsible_persons', []))}"

    def _put_exported_person(self, person: Any) -> None:  # noqa: ANN401 - any JSON value
        pointer, place = self._next_person(), self._said.places["responsible_persons"]
        self._sources[pointer] = place
        if isinstance(person, dict) and _masked(person.get("identifier")):
            # An export masks it for good: the person comes with the name alone (`exported.py`).
            person = {name: value for name, value in person.items() if name != "identifier"}
        self._body.setdefault("responsible_persons", []).append(person)

    def _put_person(self, prefix: str) -> None:
        said = self._said
        head = prefix == "legal_representative"
        name_key = prefix if head else f"{prefix}_name"
        identifier, number_key = self._number_of_person(prefix)
        pointer = self._next_person()
        keys = {
            "name": name_key,
            "role": f"{prefix}_role",
            "identifier/scheme": f"{prefix}_scheme",
            "identifier/number": number_key,
        }
        person: dict[str, Any] = {"identifier": identifier} if identifier else {}
        for part in ("name", "role"):
            if keys[part] in said.values:
                person[part] = said.values[keys[part]]
        if head and person:
            person["role"] = self._role_of_head()
        for part, key in keys.items():
            if key in said.places:
                self._sources[f"{pointer}/{part}"] = said.places[key]
                self._sources.setdefault(pointer, said.places[key])
        refused = [self._refuse_unread(key, f"{pointer}/{part}") for part, key in keys.items()]
        if person or any(refused):
            # Kept though it may be empty, so that the places of those behind it stand.
            self._body.setdefault("responsible_persons", []).append(person)

    def _number_of_person(self, prefix: str) -> tuple[dict[str, str] | None, str]:
        said = self._said
        resident = f"{prefix}_resident_id"  # CF_FR_SFZH
        if resident in said.unread or (
            resident in said.values and f"{prefix}_number" not in said.values
        ):
            number = said.values.get(resident)
            identifier = {"scheme": Scheme.resident_id.value, "number": number} if number else None
            return identifier, resident
        return self._pair(prefix, SubjectKind.natural_person), f"{prefix}_number"

    def _role_of_head(self) -> str:
        """The head of a shop is its owner (双公示: 个体工商户填经营者)."""
        shop = self._body["subject"].get("kind") == SubjectKind.individual_business
        return str(PersonRole.business_owner if shop else PersonRole.legal_representative)

    # The remark

    def _put_remark(self) -> None:
        self._put_plain("remark", "/remark")
        said = self._said
        if not said.notes:
            return
        own = str(self._body.get("remark", ""))
        ended = own if not own or own.endswith(tuple("；;。.！!")) else f"{own}；"
        notes = "".join(f"{label}：{text}；" for label, text, _ in said.notes)
        self._body["remark"] = ended + notes
        self._sources.setdefault("/remark", said.notes[0][2])


def _masked(identifier: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(identifier, dict) and "masked" in identifier


def _scheme_told(number: str, kind: str) -> Scheme | None:
    """What scheme a number is of, where the subject's kind and the number's length say it."""
    written = normalize_number(number)
    if kind == SubjectKind.natural_person:
        if len(written) != RESIDENT_LENGTH:
            return None
        foreign = written.startswith("9")
        return Scheme.foreign_permanent_resident if foreign else Scheme.resident_id
    return LENGTHS.get(len(written)) if kind else None
