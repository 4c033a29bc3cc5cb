"""A machine of one's own that answers chat sessions of a Concave backend with a coding agent."""
