"""What a run is asked to do: checked, resolved, hashed, written down. Nothing here imports torch."""
