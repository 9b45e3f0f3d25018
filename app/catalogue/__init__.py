"""The law as data: domains, departments, list types, measures, working days."""
