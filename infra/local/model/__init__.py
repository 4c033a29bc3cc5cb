"""The scripted model: a server that speaks the Messages API and answers without one."""
