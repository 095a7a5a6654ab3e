"""The command `train`: from a block to a tested model."""
