"""The lines of an export, made by the database alone: the best that SQL can do.

One query for each database, with the same members as a line of `GET /v1/exports/entries`: twins of
`app/exports/snapshot.py` and of its parts. The part that depends on the calendar (which deadlines
are due soon) is computed before and inserted as a day. Of published entries `take_down` has only
the fact that it is due, without its last day; in the benchmark nothing is published.
"""

from datetime import date

SQLITE = """
WITH pinned AS (SELECT '{day}' AS day, '{due_soon_until}' AS due_soon_until),
facts AS (
  SELECT v.*, e.received_at, e.replaces, coalesce(e.freed_ref, e.source_ref) AS shown_ref, p.*,
    nullif(min(coalesce(v.exited_on, '9'), coalesce(v.revoked_on, '9'),
      coalesce(v.repaired_on, '9'), coalesce(date(v.effective_until, '+1 day'), '9'),
      coalesce(date(v.cap_ends_on, '+1 day'), '9')), '9') AS ends_on,
    coalesce(v.lapsed_from <= p.day AND v.lapsed_until > p.day, 0) AS lapsed
  -- In the order of the table: by an index SQLite would go to and fro in a file of gigabytes.
  FROM pinned p CROSS JOIN entry_versions v NOT INDEXED CROSS JOIN entries e
  WHERE e.id = v.entry_id AND v.superseded_seq IS NULL{few}
),
stated AS (
  SELECT f.*,
    CASE WHEN void OR revoked_on <= day OR exited_on <= day OR repaired_on <= day OR lapsed
        THEN 'removed'
      WHEN effective_until < day OR cap_ends_on < day THEN 'expired'
      WHEN effective_from > day THEN 'scheduled'
      WHEN kind = 'red' AND EXISTS (
        SELECT 1 FROM entry_versions b
        WHERE b.subject_id = f.subject_id AND b.kind = 'black' AND b.superseded_seq IS NULL
          AND NOT b.void AND b.effective_from <= day
          AND coalesce(b.revoked_on > day, 1) AND coalesce(b.exited_on > day, 1)
          AND coalesce(b.repaired_on > day, 1)
          AND (b.lapsed_from IS NULL OR b.lapsed_from > day OR b.lapsed_until <= day)
          AND coalesce(b.effective_until >= day, 1) AND coalesce(b.cap_ends_on >= day, 1))
        THEN 'suspended'
      ELSE 'active' END AS status,
    CASE WHEN day > deadline THEN 'overdue' WHEN deadline <= due_soon_until THEN 'due_soon'
      ELSE 'pending' END AS open_state
  FROM facts f
),
owed AS (
  SELECT s.*,
    CASE WHEN disclosure_class <> 'public' OR void THEN 'not_required'
      WHEN published_on IS NOT NULL THEN iif(published_late, 'late', 'on_time')
      WHEN ends_on <= min(day, deadline) THEN 'not_required'
      ELSE open_state END AS state
  FROM stated s
)
SELECT json_object(
  'id', {id}, 'version', version, 'seq', seq,
  'list_type', list_type, 'list', kind, 'domain', substr(list_type, 1, instr(list_type, '.') - 1),
  'department', department, 'source_ref', shown_ref, 'case_ref', facts ->> '$.case_ref',
  'replaces', {replaces},
  'subject', json_object('id', {subject_id}, 'kind', facts ->> '$.subject.kind',
    'name', facts ->> '$.subject.name',
    'identifiers', (SELECT json_group_array(json_remove(value, '$.key'))
      FROM json_each(facts, '$.subject.identifiers'))),
  'responsible_persons', (SELECT json_group_array(json_object('role', value ->> '$.role',
      'name', value ->> '$.name', 'identifier', json_remove(value -> '$.identifier', '$.key')))
    FROM json_each(facts, '$.responsible_persons')),
  'decision', json_object('number', facts ->> '$.decision.number',
    'kind', facts ->> '$.decision.kind', 'decided_on', decided_on,
    'penalty_law', facts ->> '$.decision.penalty_law'),
  'reason', facts ->> '$.reason', 'legal_basis', facts ->> '$.legal_basis',
  'severity', severity, 'conduct_ended_on', facts ->> '$.conduct_ended_on',
  'conduct_continues', {conduct_continues}, 'effective_from', effective_from,
  'effective_until', effective_until, 'ends_by_law_on', cap_ends_on, 'restored_on', lapsed_until,
  'extension', json(facts -> '$.extension'), 'unintentional', {unintentional},
  'penalty', json(facts -> '$.penalty'), 'licence', json(facts -> '$.licence'),
  'remark', facts ->> '$.remark',
  'received_at', replace(received_at, ' ', 'T') || '+00:00',
  'recorded_at', replace(recorded_at, ' ', 'T') || '+00:00',
  'on', day, 'status', status,
  'removal', CASE WHEN void OR revoked_on <= day
      THEN json_object('by', 'revoked', 'on', revoked_on)
    WHEN lapsed OR repaired_on <= day
      THEN json_object('by', 'repaired', 'on', iif(lapsed, lapsed_from, repaired_on))
    WHEN exited_on <= day THEN json_object('by', 'exited', 'on', exited_on) END,
  'disputed', {disputed},
  'disclosure', json_object('class', disclosure_class,
    'exemption', facts ->> '$.disclosure.exemption', 'basis', facts ->> '$.disclosure.basis',
    'deadline', deadline, 'provisional', {provisional},
    'calendar_version', CAST(calendar_version AS TEXT),
    'reported', iif(reported_late, 'late', 'on_time'), 'state', state,
    'take_down', CASE WHEN take_down_from <= day THEN json_object('since', take_down_from) END,
    'channels', (SELECT json_group_array(json_object('channel', c.key,
        'required', json(iif(disclosure_class = 'public' AND c.value ->> '$.required',
          'true', 'false')),
        'published_on', c.value ->> '$.published_on', 'url', c.value ->> '$.url',
        'recorded_at', c.value ->> '$.recorded_at',
        'withdrawn_on', c.value ->> '$.withdrawn_on',
        'state', CASE
          WHEN disclosure_class <> 'public' OR NOT c.value ->> '$.required'
            OR state = 'not_required' THEN 'not_required'
          WHEN c.value ->> '$.published_on' IS NOT NULL AND (c.value ->> '$.withdrawn_on' IS NULL
              OR ends_on <= c.value ->> '$.withdrawn_on')
            THEN iif(c.value ->> '$.published_on' > c.value ->> '$.judged_by', 'late', 'on_time')
          ELSE open_state END))
      FROM json_each(channels) c)),
  'in_force', json(iif(status IN ('expired', 'removed'), 'false', 'true')),
  'void', {void}, 'catalogue_version', CAST(catalogue_version AS TEXT))
FROM owed{ordered}
"""

POSTGRESQL = """
COPY (WITH pinned AS (SELECT date '{day}' AS day, date '{due_soon_until}' AS due_soon_until),
facts AS (
  SELECT v.*, e.received_at, e.replaces, coalesce(e.freed_ref, e.source_ref) AS shown_ref, p.*,
    least(v.exited_on, v.revoked_on, v.repaired_on, v.effective_until + 1, v.cap_ends_on + 1)
      AS ends_on,
    coalesce(v.lapsed_from <= p.day AND v.lapsed_until > p.day, false) AS lapsed
  FROM pinned p, entries e JOIN entry_versions v ON v.entry_id = e.id
  WHERE v.superseded_seq IS NULL{few}
),
stated AS (
  SELECT f.*,
    CASE WHEN void OR revoked_on <= day OR exited_on <= day OR repaired_on <= day OR lapsed
        THEN 'removed'
      WHEN effective_until < day OR cap_ends_on < day THEN 'expired'
      WHEN effective_from > day THEN 'scheduled'
      WHEN kind = 'red' AND EXISTS (
        SELECT 1 FROM entry_versions b
        WHERE b.subject_id = f.subject_id AND b.kind = 'black' AND b.superseded_seq IS NULL
          AND NOT b.void AND b.effective_from <= day
          AND coalesce(b.revoked_on > day, true) AND coalesce(b.exited_on > day, true)
          AND coalesce(b.repaired_on > day, true)
          AND (b.lapsed_from IS NULL OR b.lapsed_from > day OR b.lapsed_until <= day)
          AND coalesce(b.effective_until >= day, true) AND coalesce(b.cap_ends_on >= day, true))
        THEN 'suspended'
      ELSE 'active' END AS status,
    CASE WHEN day > deadline THEN 'overdue' WHEN deadline <= due_soon_until THEN 'due_soon'
      ELSE 'pending' END AS open_state
  FROM facts f
),
owed AS (
  SELECT s.*,
    CASE WHEN disclosure_class <> 'public' OR void THEN 'not_required'
      WHEN published_on IS NOT NULL THEN CASE WHEN published_late THEN 'late' ELSE 'on_time' END
      WHEN ends_on <= least(day, deadline) THEN 'not_required'
      ELSE open_state END AS state
  FROM stated s
)
SELECT json_build_object(
  'id', entry_id, 'version', version, 'seq', seq,
  'list_type', list_type, 'list', kind, 'domain', split_part(list_type, '.', 1),
  'department', department, 'source_ref', shown_ref, 'case_ref', facts ->> 'case_ref',
  'replaces', replaces,
  'subject', json_build_object('id', subject_id, 'kind', facts #>> '{{subject,kind}}',
    'name', facts #>> '{{subject,name}}',
    'identifiers', coalesce((SELECT json_agg(value - 'key')
      FROM jsonb_array_elements(facts #> '{{subject,identifiers}}')), '[]')),
  'responsible_persons', coalesce((SELECT json_agg(json_build_object('role', value -> 'role',
      'name', value -> 'name', 'identifier', (value -> 'identifier') - 'key'))
    FROM jsonb_array_elements(facts -> 'responsible_persons')), '[]'),
  'decision', json_build_object('number', facts #> '{{decision,number}}',
    'kind', facts #> '{{decision,kind}}', 'decided_on', decided_on,
    'penalty_law', facts #> '{{decision,penalty_law}}'),
  'reason', facts -> 'reason', 'legal_basis', facts -> 'legal_basis',
  'severity', severity, 'conduct_ended_on', facts -> 'conduct_ended_on',
  'conduct_continues', coalesce((facts ->> 'conduct_continues')::boolean, false),
  'effective_from', effective_from, 'effective_until', effective_until,
  'ends_by_law_on', cap_ends_on, 'restored_on', lapsed_until,
  'extension', facts -> 'extension',
  'unintentional', coalesce((facts ->> 'unintentional')::boolean, false),
  'penalty', facts -> 'penalty', 'licence', facts -> 'licence', 'remark', facts -> 'remark',
  'received_at', to_char(received_at AT TIME ZONE 'UTC', {instant}),
  'recorded_at', to_char(recorded_at AT TIME ZONE 'UTC', {instant}),
  'on', day, 'status', status,
  'removal', CASE WHEN void OR revoked_on <= day
      THEN json_build_object('by', 'revoked', 'on', revoked_on)
    WHEN lapsed OR repaired_on <= day THEN json_build_object('by', 'repaired', 'on',
      CASE WHEN lapsed THEN lapsed_from ELSE repaired_on END)
    WHEN exited_on <= day THEN json_build_object('by', 'exited', 'on', exited_on) END,
  'disputed', disputed,
  'disclosure', json_build_object('class', disclosure_class,
    'exemption', facts #> '{{disclosure,exemption}}', 'basis', facts #> '{{disclosure,basis}}',
    'deadline', deadline, 'provisional', provisional,
    'calendar_version', calendar_version::text,
    'reported', CASE WHEN reported_late THEN 'late' ELSE 'on_time' END, 'state', state,
    'take_down', CASE WHEN take_down_from <= day
      THEN json_build_object('since', take_down_from) END,
    'channels', (SELECT json_agg(json_build_object('channel', c.key,
        'required', disclosure_class = 'public' AND (c.value -> 'required')::boolean,
        'published_on', c.value -> 'published_on', 'url', c.value -> 'url',
        'recorded_at', c.value -> 'recorded_at', 'withdrawn_on', c.value -> 'withdrawn_on',
        'state', CASE
          WHEN disclosure_class <> 'public' OR NOT (c.value -> 'required')::boolean
            OR state = 'not_required' THEN 'not_required'
          WHEN c.value ->> 'published_on' IS NOT NULL AND (c.value ->> 'withdrawn_on' IS NULL
              OR ends_on <= (c.value ->> 'withdrawn_on')::date)
            THEN CASE WHEN c.value ->> 'published_on' > c.value ->> 'judged_by'
              THEN 'late' ELSE 'on_time' END
          ELSE open_state END))
      FROM jsonb_each(channels) c)),
  'in_force', status NOT IN ('expired', 'removed'),
  'void', void, 'catalogue_version', catalogue_version::text)
FROM owed{ordered}) TO STDOUT
"""
FIRST_ENTRIES_CONDITION = " AND e.id IN (SELECT id FROM entries ORDER BY id LIMIT {limit})"
INSTANT_FORMAT = """'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'"""


def build_query(database: str, day: date, due_soon_until: date, limit: int | None = None) -> str:
    """Build the query for a day; its lines are JSON.

    All lines come in the fastest order, the first few in the order of an export.
    """
    values = {
        "day": day.isoformat(),
        "due_soon_until": due_soon_until.isoformat(),
        "few": "" if limit is None else FIRST_ENTRIES_CONDITION.format(limit=limit),
        "ordered": "" if limit is None else " ORDER BY entry_id",
    }
    if database == "postgresql":
        return POSTGRESQL.format(**values, instant=INSTANT_FORMAT)
    ids = {"id": "entry_id", "replaces": "replaces", "subject_id": "subject_id"}
    booleans = {name: name for name in ("disputed", "provisional", "void")}
    booleans |= {name: f"facts ->> '$.{name}'" for name in ("conduct_continues", "unintentional")}
    return SQLITE.format(
        **values,
        **{name: _format_uuid(column) for name, column in ids.items()},
        **{name: _format_boolean(column) for name, column in booleans.items()},
    )


def _format_uuid(column: str) -> str:
    """SQLite stores a UUID as 32 digits; an export writes it with dashes."""
    parts = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
    return " || '-' || ".join(f"substr({column}, {first}, {length})" for first, length in parts)


def _format_boolean(column: str) -> str:
    return f"json(iif({column}, 'true', 'false'))"
