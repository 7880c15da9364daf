"""What a deployment needs of its workspace: found there, or created."""
