"""The guides of docs/ as a site of plain files: `make guides` writes it, and the server on one machine has it at `/docs/`."""
