"""`make codegen`: the Python functions and tables of CONCAVE_APPS as TypeScript types, for `convex/react` and `convex/browser`.

scope.py     which modules and tables belong to the apps
structs.py   which classes need an interface, and under which name
shapes.py    an annotation as a TypeScript type
codes.py     which codes the functions refuse with, read from their source
text.py      comments, identifiers, lines
files.py     the three files: api.ts, dataModel.ts, errors.ts
"""
