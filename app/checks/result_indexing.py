"""Indexing of results: the results of checks by requested number, while the process is idle.

Results are written in the order of requests, which is fast, and own reports also search the results
that are not indexed yet. Answers are right while results wait; they only must not become many.
"""

from app.checks import store
from app.jobs.idle import IdleRunner
from app.registry import Registry

MAX_RESULTS_PER_TRANSACTION = 500
"""Results indexed by one transaction: a few milliseconds, for which checks wait."""


class ResultIndexer(IdleRunner):
    """The idle work of checks: indexes results, some per transaction."""

    def __init__(self, registry: Registry) -> None:
        super().__init__(self._index_some, name="the indexing of results")
        self._registry = registry

    def _index_some(self) -> bool:
        with self._registry.database.ledger() as connection:
            return store.index_results(connection, MAX_RESULTS_PER_TRANSACTION) > 0
