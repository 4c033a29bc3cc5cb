"""Queries under the names and with the arguments that Convex's command line uses (`npx convex data`, `env`, `function-spec`)."""
