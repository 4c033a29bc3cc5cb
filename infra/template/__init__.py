"""The CloudFormation template, written from the schema and the app: one module per noun, plain dicts throughout.

`whole.py` puts the parts together; `merge.py` lays them over what `chalice package` wrote.
"""
