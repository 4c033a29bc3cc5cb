"""Agent runs: one step of an agent's work on a task, and the reply that carries it."""
