"""What turns texts into vectors: by words, by a small model in this process, by Bedrock, or by any endpoint in OpenAI's style."""
