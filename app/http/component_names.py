"""Names of components in the OpenAPI document whose classes have another name.

FastAPI names a component after its class. Generated clients use these names, so a renamed class
keeps the name that was published first.
"""

import orjson

from app.rules.stored_json import JsonObject

COMPONENT_NAMES = {
    "CaseStepView": "app__redress__schemas__StepView",
    "SubmissionStepView": "app__submissions__schemas__StepView",
    "EntrySubjectView": "app__entries__schemas__SubjectView",
    "SubjectView": "app__checks__schemas__SubjectView",
    "ReportedChannel": "ShownIn",
    "ReportedDisclosure": "DisclosedAs",
    "ReportedMatter": "MatterAsked",
    "ReportedMeasure": "MeasureTold",
    "ReportedOutcome": "WhatWasDone",
    "ReportedPerson": "PersonBeside",
    "ReportedQuery": "QueryMade",
}
"""Class name -> published name."""


def apply_component_names(document: JsonObject) -> JsonObject:
    """Return an OpenAPI document with the published names of its components."""
    text = orjson.dumps(document).decode()
    for class_name, published_name in COMPONENT_NAMES.items():
        old, new = f"#/components/schemas/{class_name}", f"#/components/schemas/{published_name}"
        text = text.replace(f'"{old}"', f'"{new}"')
    renamed: JsonObject = orjson.loads(text)
    components = renamed["components"]
    components["schemas"] = dict(
        sorted(
            (COMPONENT_NAMES.get(name, name), schema)
            for name, schema in components["schemas"].items()
        )
    )
    return renamed
