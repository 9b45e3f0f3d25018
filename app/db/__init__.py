"""Databases: engines, transactions, prepared statements, migrations, tables."""
