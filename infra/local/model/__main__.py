"""`python -m infra.local.model`: the scripted model as a server of its own."""

from infra.local.model.server import main

main()
