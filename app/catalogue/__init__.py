"""The law as data: domains, departments, list types, matters, measures, repair rules."""
