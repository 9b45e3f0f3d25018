"""Writes of entries for the other rooms: recording, changing, and the parts of a change.

`record_entry` and the functions of `changes.amendments` are whole transactions. The others run in a
transaction of the caller: `lock_entries`, then the changed values, then `append_versions`.
"""

from app.entries.changes.amendments import (
    apply_correction,
    apply_revocation,
    correct_facts,
    exit_early,
    extend_term,
    replace_facts,
    revoke_entry,
)
from app.entries.changes.next_version import (
    ChangeCommand,
    NextVersion,
    add_new_persons,
    append_versions,
    change_entry,
    require_day_within,
)
from app.entries.recorded_numbers import read_recorded_numbers, require_recorded_numbers_absent
from app.entries.recording.batch import (
    DryRun,
    RecordingResult,
    prepare_proposals,
    record_entries,
    record_entry,
    record_proposals,
)
from app.entries.recording.proposals import Proposal, ResponsiblePersonNumber, seal_changes
from app.entries.recording.version_values import (
    EndingValues,
    build_channel_values,
    build_deadline_values,
    build_ending_values,
    find_first_non_public_day,
)
from app.entries.status_changes import (
    record_status_changes_back,
    record_status_changes_until_today,
)
from app.entries.store.reads import lock_entries
from app.entries.store.rows import EntryRow
from app.entries.store.values import ChangedValues
from app.rules.stored_json import EntryFacts

__all__ = [
    "ChangeCommand",
    "ChangedValues",
    "DryRun",
    "EndingValues",
    "EntryFacts",
    "EntryRow",
    "NextVersion",
    "Proposal",
    "RecordingResult",
    "ResponsiblePersonNumber",
    "add_new_persons",
    "append_versions",
    "apply_correction",
    "apply_revocation",
    "build_channel_values",
    "build_deadline_values",
    "build_ending_values",
    "change_entry",
    "correct_facts",
    "exit_early",
    "extend_term",
    "find_first_non_public_day",
    "lock_entries",
    "prepare_proposals",
    "read_recorded_numbers",
    "record_entries",
    "record_entry",
    "record_proposals",
    "record_status_changes_back",
    "record_status_changes_until_today",
    "replace_facts",
    "require_day_within",
    "require_recorded_numbers_absent",
    "revoke_entry",
    "seal_changes",
]
