"""Projections: an entry as JSON for each audience, on a day.

| audience | function |
|---|---|
| the entry's department, offices with oversight | `build_entry_view` |
| the department of a sealed entry | `redact_sealed_view` of that view |
| a reader of an export | `build_exported_entry` |
| an auditor who follows the feed | `build_auditor_feed_entry` |
| a subscriber who follows the feed | `build_public_feed_entry` |
| an officer who checks a subject | `build_checked_entry`, whole or as a summary |
| the subject, in its own report | `build_report_entry`, whole or as an outline |
| the subject, in its own report by another department | `build_partial_report_entry` |
| a responsible person in the entry, in the own report of that person | `build_naming_entry` |

`tests/entries/test_projections.py` lists every field by audience. The functions build plain
dictionaries in direct code: a check and an export build very many of them. Their types are in
`app/entries/projections/documents.py`.
"""

from app.entries.projections.checked import build_checked_entry, format_stored_id
from app.entries.projections.documents import (
    AuditorFeedEntryJson,
    CheckedEntryJson,
    DisclosureJson,
    EffectJson,
    EntryJson,
    ExportedEntryJson,
    NamedCodeJson,
    NamingEntryJson,
    PublicFeedEntryJson,
    ReportEntryJson,
    TakeDownJson,
)
from app.entries.projections.entry import (
    SEALED_TEXT,
    build_auditor_feed_entry,
    build_disclosure_view,
    build_effect_views,
    build_entry_view,
    build_exported_entry,
    build_public_feed_entry,
    build_take_down_view,
    redact_sealed_view,
)
from app.entries.projections.report import (
    build_named_code,
    build_naming_entry,
    build_partial_report_entry,
    build_report_entry,
)

__all__ = [
    "SEALED_TEXT",
    "AuditorFeedEntryJson",
    "CheckedEntryJson",
    "DisclosureJson",
    "EffectJson",
    "EntryJson",
    "ExportedEntryJson",
    "NamedCodeJson",
    "NamingEntryJson",
    "PublicFeedEntryJson",
    "ReportEntryJson",
    "TakeDownJson",
    "build_auditor_feed_entry",
    "build_checked_entry",
    "build_disclosure_view",
    "build_effect_views",
    "build_entry_view",
    "build_exported_entry",
    "build_named_code",
    "build_naming_entry",
    "build_partial_report_entry",
    "build_public_feed_entry",
    "build_report_entry",
    "build_take_down_view",
    "format_stored_id",
    "redact_sealed_view",
]
