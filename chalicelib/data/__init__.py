"""WHAT IS TRUE: values, keys, tables, transactions and the store they are kept in. Knows nobody above it."""
