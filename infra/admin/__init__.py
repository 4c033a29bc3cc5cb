"""The operator's command line: `python -m infra.admin --help`."""
