"""The end of the session: the document and what is written from it."""
