"""The schema of a store, one numbered SQL file a step; `migrate.py` applies them."""
