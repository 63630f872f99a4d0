"""Checkpoint folders with random weights at true layer shapes, where the real ones can't be had: for the table of
`export.table` and for tests. `catalogue` names them; `python -m edgecap.export.specimens NAME FOLDER` writes one."""
