"""An export's twin: the same records with invented people, to be imported where nobody is real.

Each value is a function of a secret, the field and the value. What was equal stays equal and what
differed still differs, in every export and every database, without a table to keep. So a twin meets
leads of an earlier twin as the export meets leads of an earlier export: the same are created,
updated, left unchanged and folded.

Version 1: exports to come have to match what is in staging already, so a golden file in the tests
keeps these rules as they are.
"""
