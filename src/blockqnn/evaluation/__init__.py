"""From a network to a measurement: the one training loop, the early-stop evaluation."""
