"""Proposals: parse the identifiers of a push, seal personal numbers, compute the digest of facts.

`facts` is the body as the department sent it, without defaults; a lookup key replaces each personal
number. Two pushes are the same if their facts have the same digest.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, cast
from uuid import UUID

from app.crypto import Secrets, fingerprint
from app.entries.schemas import EntryChanges, EntryPush
from app.errors import (
    Fault,
    IdentifierConflict,
    InvalidPayload,
    ProblemCode,
    Sentence,
    SubjectFixed,
)
from app.rules.former_masks import add_former_masks, build_former_mask
from app.rules.identifiers import Identifier, InvalidIdentifier, Scheme, Sex, parse_identifier
from app.rules.identity import LookupKey
from app.rules.law import SubjectKind
from app.rules.stored_json import (
    EntryFacts,
    FactChanges,
    IdentifierFacts,
    ResponsiblePersonFacts,
    SubjectFacts,
)
from app.rules.text import fold_name
from app.subjects.lookup_keys import build_claim_keys
from app.subjects.records import SubjectClaim

# These have columns of their own.
NON_FACT_FIELDS = {"department", "source_ref"}
MAX_NAME_ONLY_LENGTH = 170
INDIVIDUAL_BUSINESS_PREFIX = "92"  # GB 32100-2015: market supervision, individual business


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsiblePersonNumber:
    """The number of a responsible person, to be sealed."""

    identifier: Identifier
    lookup_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A push that is ready for a decision; `former_masks` are by lookup key."""

    department: str
    source_ref: str
    list_type: str
    replaces: UUID | None
    claim: SubjectClaim
    keys: Mapping[LookupKey, Identifier | None]
    birth_date: date | None
    sex: Sex | None
    persons: tuple[ResponsiblePersonNumber, ...]
    facts: EntryFacts
    facts_digest: str
    former_masks: Mapping[str, str]

    def has_digest_in(self, recorded_digests: Collection[str]) -> bool:
        """Return whether these facts were recorded, by this release or by an earlier one."""
        if self.facts_digest in recorded_digests:
            return True
        return bool(self.former_masks) and (
            fingerprint(add_former_masks(self.facts, self.former_masks)) in recorded_digests
        )


class SealedChanges(NamedTuple):
    """The changes of a correction without personal numbers, and the persons that they name."""

    changes: FactChanges
    persons: tuple[ResponsiblePersonNumber, ...]
    former_masks: Mapping[str, str]


def build_proposal(push: EntryPush, department: str, secrets: Secrets, today: date) -> Proposal:
    """Build the proposal of a push.

    Raises:
        InvalidPayload: an identifier is invalid; the error lists all of them.
        IdentifierConflict: the organisation code differs from the one inside the USCC.
    """
    body = push.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=NON_FACT_FIELDS)
    facts = _build_facts(body)
    reader = _IdentifierReader(secrets, today)
    identifiers = reader.read_identifiers(facts["subject"], "/subject")
    persons = reader.read_responsible_persons(facts.get("responsible_persons"))
    reader.validate_kind(push.subject.kind, identifiers)
    if not push.subject.identifiers:
        reader.validate_name_length(push.subject.name)
    birth_date = reader.determine_birth_date(push.subject.birth_date, identifiers)
    reader.raise_if_faults()
    _require_same_organisation_code(identifiers)
    claim = SubjectClaim(
        push.subject.kind, push.subject.name, tuple(identifiers), push.decision.decided_on
    )
    return Proposal(
        department=department,
        source_ref=push.source_ref,
        list_type=push.list_type,
        replaces=push.replaces,
        claim=claim,
        keys=build_claim_keys(claim, secrets),
        birth_date=birth_date,
        sex=next((item.sex for item in identifiers if item.sex is not None), None),
        persons=persons,
        facts=facts,
        facts_digest=fingerprint(facts),
        former_masks=reader.former_masks,
    )


def seal_changes(
    changes: EntryChanges, secrets: Secrets, today: date, pointer: str = "/changes"
) -> SealedChanges:
    """Seal the changes of a correction; return them with the persons that they name.

    `pointer` is the place of the changes in the body, for the pointers of faults.

    Raises:
        InvalidPayload: an identifier is invalid.
        SubjectFixed: the changes would move the entry to another subject.
    """
    if changes.subject is not None and changes.subject.model_fields_set - {"name"}:
        raise SubjectFixed
    # `tests/entries/test_fact_types.py` compares the type with the schema.
    sealed_changes = cast(
        "FactChanges", changes.model_dump(mode="json", by_alias=True, exclude_unset=True)
    )
    reader = _IdentifierReader(secrets, today)
    persons = reader.read_responsible_persons(sealed_changes.get("responsible_persons"), pointer)
    reader.raise_if_faults()
    return SealedChanges(sealed_changes, persons, reader.former_masks)


def apply_changes(facts: EntryFacts, changes: FactChanges) -> EntryFacts:
    """Return facts with changes applied; null removes an optional fact."""
    amended: dict[str, object] = {**facts, **changes}
    if "subject" in changes:
        amended["subject"] = {**facts["subject"], **changes["subject"]}
    if "decision" in changes:
        amended["decision"] = {**facts["decision"], **changes["decision"]}
    return _build_facts(amended)


def _build_facts(values: Mapping[str, object]) -> EntryFacts:
    """Return the values of a validated body as facts, without empty values."""
    # `tests/entries/test_fact_types.py` compares the type with the schema.
    return cast("EntryFacts", _drop_empty(values))


def _drop_empty(facts: Mapping[str, object]) -> dict[str, object]:
    """Remove empty values, so that null and a missing field have the same digest.

    `effective_until: null` stays because it means an open term; without the field the term of the
    list type applies.
    """
    non_empty: dict[str, object] = {}
    for name, value in facts.items():
        if isinstance(value, str):
            non_empty[name] = value
            continue
        cleaned = _drop_empty_within(value)
        # Empty values are null, false, an empty list and an empty object.
        if cleaned or name == "effective_until":
            non_empty[name] = cleaned
    return non_empty


def _drop_empty_within(value: object) -> object:
    if isinstance(value, dict):
        return _drop_empty(value)
    return [*map(_drop_empty_within, value)] if isinstance(value, list) else value


def _require_same_organisation_code(identifiers: list[Identifier]) -> None:
    # A USCC contains the organisation code. A different code belongs to another organisation and
    # would later attach the entries of that organisation to this subject.
    embedded_codes = {item.org_code for item in identifiers if item.org_code is not None}
    given_codes = {item.number for item in identifiers if item.scheme is Scheme.org_code}
    if embedded_codes and given_codes - embedded_codes:
        raise IdentifierConflict


class _IdentifierReader:
    """Parser of identifiers, in place, that collects their faults and their former masks."""

    def __init__(self, secrets: Secrets, today: date) -> None:
        self.former_masks: dict[str, str] = {}
        self._secrets = secrets
        self._today = today
        self._faults: list[Fault] = []

    def raise_if_faults(self) -> None:
        """Raise `InvalidPayload` if there were faults."""
        if self._faults:
            raise InvalidPayload(faults=self._faults)

    def read_identifiers(self, subject: SubjectFacts, pointer: str) -> list[Identifier]:
        """Parse the identifiers of the subject; replace them in the facts by the sealed form."""
        given = subject.get("identifiers", [])
        parsed = [
            self._parse_identifier(item, f"{pointer}/identifiers/{position}/number")
            for position, item in enumerate(given)
        ]
        identifiers = [identifier for identifier in parsed if identifier is not None]
        if given:
            # In one order, so that the order in the request does not change the digest.
            subject["identifiers"] = sorted(
                (self._seal_identifier(identifier) for identifier in identifiers),
                key=lambda item: item["scheme"],
            )
        return identifiers

    def read_responsible_persons(
        self, persons: list[ResponsiblePersonFacts] | None, pointer: str = ""
    ) -> tuple[ResponsiblePersonNumber, ...]:
        """Parse numbers of responsible persons; replace them in the facts by the sealed form."""
        numbers_by_key: dict[str, ResponsiblePersonNumber] = {}
        for position, person in enumerate(persons or []):
            if person.get("identifier") is None:
                continue
            number_pointer = f"{pointer}/responsible_persons/{position}/identifier/number"
            identifier = self._parse_identifier(person["identifier"], number_pointer)
            if identifier is not None:
                person["identifier"] = self._seal_identifier(identifier)
                key = person["identifier"]["key"]
                numbers_by_key[key] = ResponsiblePersonNumber(identifier=identifier, lookup_key=key)
        return tuple(numbers_by_key.values())

    def validate_kind(self, kind: SubjectKind, identifiers: list[Identifier]) -> None:
        """Require `individual_business` exactly for a USCC that begins with 92 (GB 32100)."""
        for identifier in identifiers:
            if identifier.scheme is not Scheme.uscc:
                continue
            is_individual_business = identifier.number.startswith(INDIVIDUAL_BUSINESS_PREFIX)
            if is_individual_business != (kind is SubjectKind.individual_business):
                self._faults.append(
                    Fault(
                        "/subject/kind",
                        ProblemCode.kind_not_of_uscc,
                        Sentence(
                            "A USCC beginning 92 belongs to an individual_business, and only such",
                            "以 92 开头的统一社会信用代码对应个体工商户，反之亦然",
                        ),
                    )
                )

    def validate_name_length(self, name: str) -> None:
        """Limit the name of a subject without a number: kind and name are its lookup key."""
        if len(fold_name(name)) > MAX_NAME_ONLY_LENGTH:
            self._faults.append(
                Fault(
                    "/subject/name",
                    ProblemCode.too_long,
                    Sentence(
                        f"At most {MAX_NAME_ONLY_LENGTH} characters where there is no number",
                        f"无证件号码时最多 {MAX_NAME_ONLY_LENGTH} 个字符",
                    ),
                )
            )

    def determine_birth_date(
        self, given: date | None, identifiers: list[Identifier]
    ) -> date | None:
        """Return the birth date in the identifiers, or else the one in the request."""
        identifier_dates = {item.birth_date for item in identifiers if item.birth_date is not None}
        if len(identifier_dates) > 1 or (
            given is not None and identifier_dates and given not in identifier_dates
        ):
            self._faults.append(
                Fault(
                    "/subject/birth_date",
                    ProblemCode.birth_date_contradicts,
                    Sentence(
                        "The birth date differs from the one in the identifier",
                        "出生日期与证件号码不一致",
                    ),
                )
            )
        return next(iter(identifier_dates), given)

    def _parse_identifier(self, item: IdentifierFacts, pointer: str) -> Identifier | None:
        try:
            return parse_identifier(Scheme(item["scheme"]), item["number"], today=self._today)
        except InvalidIdentifier as error:
            self._faults.append(error.to_fault(pointer))
            return None

    def _seal_identifier(self, identifier: Identifier) -> IdentifierFacts:
        if not identifier.is_personal:
            return {"scheme": identifier.scheme.value, "number": identifier.number}
        key = self._secrets.blind_index(identifier.scheme, identifier.number)
        self.former_masks[key] = build_former_mask(identifier.number)
        return {"scheme": identifier.scheme.value, "key": key}
