"""The FastAPI shell: parse, authorise, one query, render."""
