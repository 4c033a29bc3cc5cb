"""Machines and workers: how one is taken in, who may use it, what it writes, and what its agent asks permission for."""
