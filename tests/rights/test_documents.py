"""The types of a report that is built have the fields of the report's schema."""

from typing import get_type_hints

import pytest
from pydantic import BaseModel

from app.rights import documents, schemas

PAIRS: list[tuple[type, type[BaseModel]]] = [
    (documents.ReportContentJson, schemas.ReportContent),
    (documents.ReportSubjectJson, schemas.ReportedSubject),
    (documents.ApplicantJson, schemas.IssuedTo),
    (documents.IssuerJson, schemas.IssuedBy),
    (documents.HeldEntryJson, schemas.HeldEntry),
    (documents.UseJson, schemas.Use),
    (documents.CaseJson, schemas.ReportedCase),
    (documents.StepJson, schemas.ReportedStep),
    (documents.VersionJson, schemas.ReportedVersion),
    (documents.NamingEntryJson, schemas.NamedIn),
    (documents.QueryJson, schemas.ReportedQuery),
    (documents.ReportedOutcomeJson, schemas.ReportedOutcome),
    (documents.DelayJson, schemas.Delay),
    (documents.EarlierReportJson, schemas.EarlierReport),
    (documents.RightsJson, schemas.Rights),
    (documents.BilingualJson, schemas.Bilingual),
]


@pytest.mark.parametrize(("document", "view"), PAIRS)
def test_fields_are_those_of_the_schema(document: type, view: type[BaseModel]) -> None:
    names = {field.alias or name for name, field in view.model_fields.items()}
    assert set(get_type_hints(document)) == names
