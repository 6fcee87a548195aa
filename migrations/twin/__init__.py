"""Make an export's twin: the same records with invented people, for databases without real people.

Each value is a function of a secret, the field and the old value. Equal values stay equal and
different ones stay different, in every export and every database, without a table of names. So a
twin meets an earlier twin's leads as the export meets an earlier export's leads. The same records
are created, updated, unchanged and folded.

This is version 1. Future twins must match the leads in staging, so a golden file in the tests keeps
these rules.
"""
