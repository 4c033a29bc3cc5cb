"""HOW IT RUNS: registry, contexts, executor, jobs, identity and limits. Knows `data` only."""
