"""What operators ask of a deployment: its tables, documents, functions, variables. Paths begin with `_system/`.

All functions here are internal, so only who has an operator's key can call them (`runtime/operators.py`). They see one org, that
of the identity that the operator acts as.
"""
