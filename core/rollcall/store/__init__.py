"""The store: tables, guarded writes, pages and counts in PostgreSQL. SQL lives here and nowhere else."""
