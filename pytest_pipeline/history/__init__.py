"""Past sessions in one SQLite file: what was measured where, and since when it has been so."""
