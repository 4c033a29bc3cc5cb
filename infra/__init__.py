"""What surrounds the backend: the deployment template and the local server."""
