"""WHO SEES IT: sync sessions, mailboxes, watches and fan-out. Knows `data` only."""
