"""The types of stored facts and of projections name the fields of the schemas."""

from typing import Any

import pytest
from pydantic import BaseModel

from app.checks.schemas import CheckedEntry
from app.entries import projections, schemas
from app.exports.schemas import ExportedEntry, FeedEntry
from app.rights.schemas import HeldEntry, NamedIn
from app.rules import stored_json


def read_field_names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


@pytest.mark.parametrize(
    ("stored", "model", "only_stored", "only_sent"),
    [
        (
            stored_json.EntryFacts,
            schemas.EntryPush,
            {"extension"},
            {"department", "source_ref"},
        ),
        (stored_json.FactChanges, schemas.EntryChanges, set(), set()),
        (stored_json.SubjectFacts, schemas.SubjectIn, set(), set()),
        (stored_json.IdentifierFacts, schemas.IdentifierIn, {"masked", "key"}, set()),
        (stored_json.ResponsiblePersonFacts, schemas.ResponsiblePersonIn, set(), set()),
        (stored_json.DecisionDetails, schemas.DecisionIn, set(), set()),
        (stored_json.DecisionDetailChanges, schemas.DecisionChange, set(), set()),
        (stored_json.DisclosureFacts, schemas.DisclosureIn, set(), set()),
        (stored_json.PenaltyFacts, schemas.PenaltyIn, set(), set()),
        (stored_json.LicenceFacts, schemas.LicenceIn, set(), set()),
    ],
)
def test_facts_have_the_fields_that_are_sent(
    stored: Any, model: type[BaseModel], only_stored: set[str], only_sent: set[str]
) -> None:
    names = set(stored.__annotations__)
    assert names - only_stored == read_field_names(model) - only_sent


@pytest.mark.parametrize(
    ("projection", "model", "added_elsewhere"),
    [
        (projections.EntryJson, schemas.EntryView, set()),
        (projections.ExportedEntryJson, ExportedEntry, set()),
        (projections.PublicFeedEntryJson, FeedEntry, set()),
        (projections.CheckedEntryJson, CheckedEntry, set()),
        (projections.ReportEntryJson, HeldEntry, {"uses", "redress", "history"}),
        (projections.NamingEntryJson, NamedIn, set()),
    ],
)
def test_projections_have_the_fields_of_their_schemas(
    projection: Any, model: type[BaseModel], added_elsewhere: set[str]
) -> None:
    assert set(projection.__annotations__) == read_field_names(model) - added_elsewhere
